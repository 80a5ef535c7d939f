import type { Swept } from '../../lifecycle/sweep.js'
import { cleanBackups } from '../../pipelines/upkeep/clean.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { forKeys } from '../each-source.js'
import { Exit } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { parseGrace, toMs } from '../keep.js'
import { Reporter } from '../reporter.js'

export interface CleanValues extends CommonValues {
  readonly grace?: string
  readonly keepSigvaults?: boolean
  readonly lockWait?: number
}

/** `ibt clean`. */
export function runClean(key: string | undefined, values: CleanValues, signal: AbortSignal): Promise<number> {
  return forKeys(key, values, signal, (one, own) => cleanOne(one, own, signal))
}

async function cleanOne(key: string, values: CleanValues, signal: AbortSignal): Promise<number> {
  const reporter = new Reporter(values)
  const { keepSigvaults, lockWait, grace } = values
  const report = await cleanBackups(key, {
    ...toPlaceOptions(values, signal),
    ...{ keepSigvaults, graceMs: parseGrace(grace), lockWaitMs: toMs(lockWait), onError: reporter.onError }
  })
  return reporter.report(report, [`Cleaned ${key}`, ...sweptLines(key, report)], Exit.done)
}

const LEFT_SHOWN = 5

/** What was deleted, what can come back, and what nothing needs and stays all the same. */
export function sweptLines(key: string, { deleted, freedBytes, expired, waiting, left }: Swept): string[] {
  const shown = left.slice(0, LEFT_SHOWN).map(({ name, reason }) => `  left: ${name}: ${reason}`)
  const more = left.length - shown.length
  const forGood = expired.length > 0 ? `, ${formatCount(expired.length, 'removed backup')} for good` : ''
  return [
    `  ${formatCount(deleted.length, 'file')} deleted, ${formatBytes(freedBytes)}${forGood}`,
    ...(waiting.length > 0
      ? [`  ${formatCount(waiting.length, 'removed backup')} can come back: ibt undelete ${key}`]
      : []),
    ...shown,
    ...(more > 0 ? [`  and ${more} more left`] : [])
  ]
}
