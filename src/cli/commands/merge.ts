import { type MergeReport, mergeBackups } from '../../pipelines/upkeep/merge.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { toMs } from '../keep.js'
import { Reporter } from '../reporter.js'

export interface MergeValues extends CommonValues {
  readonly at?: string
  readonly from?: string
  readonly to?: string
  readonly dryRun?: boolean
  readonly maxBytes?: number
  readonly segment?: number
  readonly resume?: boolean
  readonly lockWait?: number
}

/** `ibt merge`. */
export async function runMerge(key: string, values: MergeValues, signal: AbortSignal): Promise<number> {
  const { at, from, to, dryRun, maxBytes, segment, resume } = values
  if (at !== undefined && (from !== undefined || to !== undefined))
    throw new UsageError('--at is for a full; --from and --to are for one increment')
  if (to !== undefined && from === undefined) throw new UsageError('--to requires --from')
  const reporter = new Reporter(values)
  try {
    const { onProgress, onError } = reporter
    const options = { ...toPlaceOptions(values, signal), onProgress, onError, lockWaitMs: toMs(values.lockWait) }
    const report = await mergeBackups(key, {
      ...options,
      at,
      from,
      to,
      dryRun,
      maxBytes,
      segmentBytes: segment,
      resume
    })
    return reporter.report(report, describe(report, reporter.elapsedMs), Exit.done)
  } finally {
    reporter.end()
  }
}

function describe(report: MergeReport, elapsedMs: number): string[] {
  const { key, date, after, kind, isStored, wasMerged, entries, bodyBytes, readBytes, storedBytes } = report
  const what = after === undefined ? 'a full by itself' : `one increment on the backup of ${after}`
  if (wasMerged) return [`Backup of ${key}, ${date}, is ${what} already: nothing to do`]
  const bytes = `at most ${formatBytes(readBytes)} read, ${formatBytes(bodyBytes)} before compression`
  if (!isStored) return [`Would make the backup of ${key}, ${date}, ${what}: ${bytes}`, ...describeResumed(report)]
  return [
    `Backup of ${key}, ${date}, is ${what} now`,
    `  ${formatCount(entries, 'entry', 'entries')}, ${formatBytes(storedBytes)} stored (${kind}), ${bytes}, ${formatSeconds(elapsedMs)}`,
    ...describeResumed(report)
  ]
}

function describeResumed({ isStored, resumed, restarted }: MergeReport): string[] {
  const [began, went] = isStored ? ['began', 'went'] : ['would begin', 'would go']
  if (restarted !== undefined) return [`  ${began} anew, not behind the interrupted merge: ${restarted}`]
  if (resumed === undefined) return []
  const segments = formatCount(resumed.segments, 'segment', 'segments')
  return [`  ${went} on behind ${segments} (${formatBytes(resumed.storedBytes)}) of the interrupted merge`]
}
