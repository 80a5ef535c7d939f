import { listBackups } from '../../pipelines/catalog.js'
import { restoreBackup } from '../../pipelines/restore.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { type CommonValues, toPlaceOptions } from '../options.js'
import { Reporter } from '../reporter.js'

export interface RestoreValues extends CommonValues {
  readonly at?: string
  readonly path?: readonly string[]
  readonly numericOwner?: boolean
}

/** `ibt restore`. */
export async function runRestore(
  key: string,
  dest: string,
  values: RestoreValues,
  signal: AbortSignal
): Promise<number> {
  if (dest === '-') throw new UsageError('A restore to stdout is not there yet: give a directory')
  const places = toPlaceOptions(values, signal)
  const reporter = new Reporter(values)
  try {
    if (process.stderr.isTTY && values.path === undefined && values.at === undefined) {
      for await (const { totals } of listBackups(key, places)) reporter.expect(totals.sizeBytes)
    }
    const { onProgress, onError } = reporter
    const owners = values.numericOwner && process.geteuid?.() === 0 ? 'number' : undefined
    const options = { ...places, at: values.at, paths: values.path, owners, onProgress, onError } as const
    const report = await restoreBackup(key, dest, options)
    const { files, sizeBytes, entries, skippedEntries } = report
    reporter.report(report, [
      `Restored ${key} of ${report.date} to ${dest}`,
      `  ${entries.toLocaleString('en')} entries: ${formatCount(files, 'file')}, ${formatBytes(sizeBytes)}, ${formatSeconds(reporter.elapsedMs)}`,
      ...(skippedEntries > 0 ? [`  ${skippedEntries} could not be restored`] : [])
    ])
    if (values.path !== undefined && entries === 0) {
      reporter.warn(`Nothing in the backup of ${report.date} matches ${values.path.join(', ')}`)
      return Exit.failed
    }
    return skippedEntries > 0 ? Exit.partial : Exit.done
  } finally {
    reporter.end()
  }
}
