/** A length of time in calendar units, as it was given. */
export interface Duration {
  readonly text: string
  readonly years: number
  readonly months: number
  readonly days: number
  readonly hours: number
}

const UNITS = { y: 'years', m: 'months', w: 'weeks', d: 'days', h: 'hours', H: 'hours' } as const
const DURATION = /^(?:\d{1,5}[ymwdhH])+$/
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * Reads `10d`, `2w`, `6m` (months), `1y6m`, `36h`. Undefined for what is not a duration: also for nothing at all, for a
 * unit that is given twice, and for `M`, which is minutes to some programs and months to others.
 */
export function parseDuration(text: string): Duration | undefined {
  if (!DURATION.test(text)) return undefined
  const counts = { years: 0, months: 0, weeks: 0, days: 0, hours: 0 }
  const seen = new Set<string>()
  for (const [, count, unit] of text.matchAll(/(\d+)([ymwdhH])/g)) {
    const name = UNITS[unit as keyof typeof UNITS]
    if (seen.has(name)) return undefined
    seen.add(name)
    counts[name] = Number(count)
  }
  const { years, months, weeks, days, hours } = counts
  const duration = { text, years, months, days: days + 7 * weeks, hours }
  return aboutMs(duration) === 0 ? undefined : duration
}

/** The time that lies a duration before another: years and months as the calendar (UTC) has them. */
export function before(ms: number, { years, months, days, hours }: Duration): number {
  const date = new Date(ms)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() - months - 12 * years)
  // A month before the 31st of March is the last of February.
  date.setUTCDate(Math.min(day, lengthOfMonth(date)))
  return date.getTime() - days * DAY_MS - hours * HOUR_MS
}

/** For comparisons and for periods of grace: a month has 30.4 days, a year 365.25. */
export function aboutMs({ years, months, days, hours }: Duration): number {
  return (years * 365.25 + months * 30.4375 + days) * DAY_MS + hours * HOUR_MS
}

function lengthOfMonth(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
}
