/**
 * Periods of which the newest backup can be kept. `13weekly` and `3monthly` are quarters of a year: by weeks of ISO 8601,
 * or by months.
 */
export type Period = 'hourly' | 'daily' | 'weekly' | 'monthly' | '13weekly' | '3monthly' | 'yearly'

/** Periods that consist of whole ones of another. Weeks lie across the ends of months and of years. */
export const COARSER: Readonly<Record<Period, readonly Period[]>> = {
  hourly: ['daily', 'weekly', 'monthly', '13weekly', '3monthly', 'yearly'],
  daily: ['weekly', 'monthly', '13weekly', '3monthly', 'yearly'],
  weekly: ['13weekly'],
  monthly: ['3monthly', 'yearly'],
  '13weekly': [],
  '3monthly': ['yearly'],
  yearly: []
}

/** Tells which period a time is in. */
export type PeriodOf = (ms: number, period: Period) => string

/**
 * Periods as a clock on the wall shows them: weeks begin on Monday, and the hour that a clock shows twice in autumn is
 * two hours. Default: the time zone of this machine. Memory: the names of the periods of each time.
 *
 * @throws RangeError for a time zone that is not known.
 */
export function periodsIn(timeZone?: string | undefined): PeriodOf {
  const format = new Intl.DateTimeFormat('en-GB', {
    ...(timeZone !== undefined && { timeZone }),
    ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', hourCycle: 'h23' },
    ...{ era: 'short', timeZoneName: 'shortOffset' }
  })
  const known = new Map<number, Readonly<Record<Period, string>>>()
  return (ms, period) => {
    const names = known.get(ms) ?? namesOf(format, ms)
    known.set(ms, names)
    return names[period]
  }
}

function namesOf(format: Intl.DateTimeFormat, ms: number): Record<Period, string> {
  const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]))
  const { era, month, day, hour, timeZoneName } = parts
  // The year before 1 is the year 0.
  const year = era === 'B' || era === 'BC' ? 1 - Number(parts.year) : Number(parts.year)
  const week = isoWeek(year, Number(month), Number(day))
  const date = `${year}-${month}-${day}`
  return {
    hourly: `${date}T${hour}${timeZoneName}`,
    daily: date,
    weekly: `${week.year}-W${week.number}`,
    monthly: `${year}-${month}`,
    // The last quarter of a year of 53 weeks has 14.
    '13weekly': `${week.year}-${Math.min(4, Math.ceil(week.number / 13))}`,
    '3monthly': `${year}-${Math.ceil(Number(month) / 3)}`,
    yearly: String(year)
  }
}

const DAY_MS = 24 * 3_600_000

/** The week that a day is in, and the year that the week belongs to: that of its Thursday. */
function isoWeek(year: number, month: number, day: number): { readonly year: number; readonly number: number } {
  const thursday = new Date(0)
  thursday.setUTCFullYear(year, month - 1, day)
  thursday.setUTCDate(thursday.getUTCDate() + 4 - (thursday.getUTCDay() || 7))
  const first = new Date(0)
  first.setUTCFullYear(thursday.getUTCFullYear(), 0, 1)
  const number = 1 + Math.floor((thursday.getTime() - first.getTime()) / DAY_MS / 7)
  return { year: thursday.getUTCFullYear(), number }
}
