import { isDate, parseDate } from '../format/dates.js'

/** The time that `--at` names, in milliseconds; undefined for the newest. @throws RangeError if it names none */
export async function parseAt(at: Date | string | undefined): Promise<number | undefined> {
  if (at === undefined || at === 'latest') return undefined
  if (at instanceof Date) return checked(at.getTime(), at)
  if (/^\d{8}T\d{6}\.\d{3}Z$/.test(at)) return parseDate(at)
  const day = /^\d{4}-\d{2}-\d{2}/.exec(at)?.[0]
  // JavaScript turns the 30th of February into a day of March.
  if (day !== undefined && !isDate(`${day.replaceAll('-', '')}T000000.000Z`)) return checked(Number.NaN, at)
  const iso = day === undefined ? Number.NaN : Date.parse(at)
  if (!Number.isNaN(iso)) return iso
  const { parse } = await import('chrono-node')
  const words = at.trim()
  // It takes what it understands out of a text: the rest might have meant another time.
  const [found] = parse(words).filter(({ text, end }) => text === words && end == null)
  return checked(found?.date().getTime() ?? Number.NaN, at)
}

function checked(ms: number, at: Date | string): number {
  if (Number.isNaN(ms)) throw new RangeError(`'${at}' is not a time: give an ISO date, or words such as '3 days ago'`)
  return ms
}
