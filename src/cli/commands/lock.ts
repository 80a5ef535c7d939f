import { retainBackups } from '../../pipelines/upkeep/retain.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { type KeepValues, toKeepOptions, toMs } from '../keep.js'
import { Reporter } from '../reporter.js'

export interface LockValues extends CommonValues, KeepValues {
  readonly until: string
  readonly at?: string
  readonly dryRun?: boolean
  readonly lockWait?: number
}

/** `ibt lock` and `ibt extend`. */
export async function runLock(
  name: 'lock' | 'extend',
  key: string,
  values: LockValues,
  signal: AbortSignal
): Promise<number> {
  const reporter = new Reporter(values)
  const { until, at, dryRun, lockWait } = values
  const report = await retainBackups(key, {
    ...{ ...toPlaceOptions(values, signal), ...toKeepOptions(values), until, at, dryRun },
    ...{ extend: name === 'extend', lockWaitMs: toMs(lockWait), onError: reporter.onError }
  })
  const { dates, artifacts, sizeBytes, untilMs } = report
  const what = `${formatCount(dates.length, 'backup')} of ${key} until ${new Date(untilMs).toISOString()}`
  const lines = [
    dryRun ? `Dry run: would lock ${what}` : `Locked ${what}`,
    `  ${formatCount(artifacts.length, 'file')}, ${formatBytes(sizeBytes)}`
  ]
  return reporter.report(report, lines, Exit.done)
}
