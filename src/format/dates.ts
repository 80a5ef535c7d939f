import { CLOCK_AHEAD_MS } from '../constants.js'
import { BackupError } from '../errors.js'

const DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z$/
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
const FIRST_MS = Date.parse('0000-01-01T00:00:00.000Z')

/** Writes a time as `YYYYMMDDTHHMMSS.mmmZ`: such dates sort as text. @throws RangeError outside the years 0 to 9999 */
export function formatDate(ms: number): string {
  if (!(ms >= FIRST_MS && ms <= LAST_MS)) throw new RangeError(`A date has to be in the years 0 to 9999, not ${ms} ms`)
  return new Date(ms).toISOString().replace(/[-:]/g, '')
}

/** Reads what `formatDate` writes. @throws BackupError IBT_NAME_INVALID for anything else, and for days that no calendar has */
export function parseDate(text: string): number {
  const ms = toMs(text)
  if (ms !== undefined) return ms
  throw new BackupError('IBT_NAME_INVALID', `${JSON.stringify(text)} is not a date of the form YYYYMMDDTHHMMSS.mmmZ`)
}

export function isDate(text: string): boolean {
  return toMs(text) !== undefined
}

function toMs(text: string): number | undefined {
  const ms = Date.parse(text.replace(DATE, '$1-$2-$3T$4:$5:$6Z'))
  // JavaScript turns the 30th of February into a day of March.
  return DATE.test(text) && ms >= FIRST_MS && formatDate(ms) === text ? ms : undefined
}

/**
 * The date of a new backup: now, but later than the newest one, so that dates order a chain whatever the clock does.
 *
 * @throws BackupError IBT_CLOCK if the newest is more than `CLOCK_AHEAD_MS` ahead of now.
 */
export function nextDate(nowMs: number, newest?: string | undefined): string {
  if (newest === undefined) return formatDate(nowMs)
  const newestMs = parseDate(newest)
  if (newestMs - nowMs > CLOCK_AHEAD_MS) {
    const message = `The newest backup is of ${newest}, but the clock shows ${formatDate(nowMs)}: one of them is wrong`
    throw new BackupError('IBT_CLOCK', message)
  }
  return formatDate(Math.max(nowMs, newestMs + 1))
}

/**
 * The date of a backup of older data: the wanted one, which has to be later than the newest, and not in the future.
 *
 * @throws BackupError IBT_CLOCK if it is not; RangeError outside the years 0 to 9999.
 */
export function pastDate(wantedMs: number, nowMs: number, newest?: string | undefined): string {
  const date = formatDate(wantedMs)
  if (newest !== undefined && date <= newest) {
    const message = `A backup of ${date} cannot follow the newest one, of ${newest}: the dates of a chain ascend`
    throw new BackupError('IBT_CLOCK', message)
  }
  if (wantedMs <= nowMs) return date
  throw new BackupError('IBT_CLOCK', `The date ${date} lies in the future: the clock shows ${formatDate(nowMs)}`)
}
