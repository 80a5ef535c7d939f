import { parseDate } from '../format/dates.js'

/** The time that `--at` names, in milliseconds; undefined for the newest. @throws RangeError if it names none */
export async function parseAt(at: Date | string | undefined): Promise<number | undefined> {
  if (at === undefined || at === 'latest') return undefined
  if (at instanceof Date) return checked(at.getTime(), at)
  if (/^\d{8}T\d{6}\.\d{3}Z$/.test(at)) return parseDate(at)
  const iso = /^\d{4}-\d{2}-\d{2}/.test(at) ? Date.parse(at) : Number.NaN
  if (!Number.isNaN(iso)) return iso
  const { parseDate: parseWords } = await import('chrono-node')
  return checked(parseWords(at)?.getTime() ?? Number.NaN, at)
}

function checked(ms: number, at: Date | string): number {
  if (Number.isNaN(ms)) throw new RangeError(`'${at}' is no time: give an ISO date, or words such as '3 days ago'`)
  return ms
}
