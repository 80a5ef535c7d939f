import { aboutMs, parseDuration } from '../retention/duration.js'
import type { KeepOptions } from '../retention/rules.js'
import { UsageError } from './exit.js'

/** What to keep, as it was typed. */
export interface KeepValues {
  readonly keep?: readonly string[]
  readonly keepLast?: string
  readonly keepWithin?: string
  readonly keepHourly?: string
  readonly keepDaily?: string
  readonly keepWeekly?: string
  readonly keepMonthly?: string
  readonly keep13weekly?: string
  readonly keep3monthly?: string
  readonly keepYearly?: string
  readonly keepFull?: string
  readonly utc?: boolean
}

export function toKeepOptions(values: KeepValues): KeepOptions {
  const { keep, keepLast, keepWithin, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepFull } = values
  return {
    ...{ keep, keepLast, keepWithin, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepFull },
    keep13Weekly: values.keep13weekly,
    keep3Monthly: values.keep3monthly,
    timeZone: values.utc ? 'UTC' : undefined
  }
}

/** Milliseconds of a period of grace. @throws UsageError */
export function parseGrace(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const duration = parseDuration(text)
  if (duration === undefined && text !== '0') throw new UsageError(`'${text}' is not a time: give 7d, 36h, 2w or 0`)
  return duration === undefined ? 0 : aboutMs(duration)
}

/** A number of seconds in milliseconds. */
export function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : 1000 * seconds
}
