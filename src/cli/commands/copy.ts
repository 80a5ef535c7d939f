import { copyBackups } from '../../pipelines/transfer/copy.js'
import { checkText } from '../arguments.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { toMs } from '../keep.js'
import { withOpaqueNames } from '../opaque-names.js'
import { Reporter } from '../reporter.js'
import { hasSecretNames } from '../store.js'

/** Options of `ibt copy`. */
export interface CopyValues extends CommonValues {
  readonly to: string
  readonly toOpaqueNames?: string
  readonly at?: readonly string[]
  readonly checksum?: boolean
  readonly dryRun?: boolean
  readonly lockWait?: number
}

/** `ibt copy`. */
export async function runCopy(key: string, values: CopyValues, signal: AbortSignal): Promise<number> {
  const reporter = new Reporter(values)
  const { at, checksum, dryRun, lockWait, toOpaqueNames } = values
  const named = checkText('the other store', values.to)
  const to = toOpaqueNames === undefined ? named : withOpaqueNames(named, toOpaqueNames)
  const places = toPlaceOptions(values, signal)
  if (hasSecretNames(values) && toOpaqueNames === undefined)
    reporter.warn('The copies have plain names: --to-opaque-names FILE encrypts them')
  try {
    const report = await copyBackups(key, {
      ...places,
      ...{ to, at, checksum, dryRun, lockWaitMs: toMs(lockWait) },
      ...{ onProgress: reporter.onProgress, onError: reporter.onError }
    })
    const { dates, artifacts, sizeBytes, skippedArtifacts, isSigned } = report
    if (!isSigned) reporter.warn('The copies are not signed: give --sign-key, or sign the other store (ibt sign)')
    const backups = formatCount(dates.length, `backup of ${key}`, `backups of ${key}`)
    const skipped = skippedArtifacts > 0 ? `, ${skippedArtifacts} are there already` : ''
    const lines = [
      `${dryRun ? 'Would copy' : 'Copied'} ${backups}`,
      `  ${formatCount(artifacts, 'artifact')}, ${formatBytes(sizeBytes)}${skipped}, ${formatSeconds(reporter.elapsedMs)}`
    ]
    return reporter.report(report, lines, Exit.done)
  } finally {
    reporter.end()
  }
}
