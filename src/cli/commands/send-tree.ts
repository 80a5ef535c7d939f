import { printPath } from '../../path.js'
import { type SendTreeReport, sendTree } from '../../pipelines/transfer/send-tree.js'
import { type BackupValues, toBackupOptions } from '../backup-options.js'
import { Child } from '../child.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { limited } from '../limited-output.js'
import { filesOf } from '../names.js'
import { givenOf, SEND_BACKUP_OPTIONS } from '../tree-options.js'
import { reporterOf } from './backup.js'

/** `ibt send --tree`: into a directory of an `ibt receive --into`. */
export async function runSendTree(
  sources: readonly string[],
  values: BackupValues,
  signal: AbortSignal
): Promise<number> {
  const [source] = sources
  const wrong = givenOf(SEND_BACKUP_OPTIONS, values)
  if (wrong !== undefined) throw new UsageError(`${wrong} is for backups, not for --tree`)
  if (source === undefined || source === '-' || sources.length > 1) throw new UsageError('--tree sends one directory')
  const reporter = reporterOf('send', values)
  const { rules, codec } = toBackupOptions(values, signal, { isSent: true })
  const { checksum, dryRun, allowShrink, toCommand, limitRate } = values
  const child = toCommand === undefined ? undefined : new Child(toCommand)
  const { readable, writable } = child?.ends ?? { readable: process.stdin, writable: process.stdout }
  const { onProgress, onError } = reporter
  try {
    const report = await sendTree({ readable, writable: limited(writable, limitRate) }, source, {
      ...{
        rules: { ...rules, files: filesOf(values) },
        codec,
        checksum,
        dryRun,
        allowShrink,
        onProgress,
        onError,
        signal
      }
    })
    for (const path of report.leftOut) reporter.warn(`Excluded ${printPath(path)}: the receiver writes there`)
    const { unreadableEntries, dirtyFiles, notWrittenEntries } = report
    const isPartial = unreadableEntries + dirtyFiles + notWrittenEntries > 0
    return reporter.report(report, describe(report, reporter.elapsedMs), isPartial ? Exit.partial : Exit.done)
  } catch (error) {
    throw signal.aborted || child === undefined ? error : await child.explain(error)
  } finally {
    child?.end()
    reporter.end()
  }
}

function describe(report: SendTreeReport, elapsedMs: number): string[] {
  const { source, entries, files, sizeBytes, sentFiles, deltaFiles, sentBytes } = report
  const { unreadableEntries, dirtyFiles, notWrittenEntries } = report
  const lines = [
    `${report.dryRun ? 'Dry run: listed' : 'Sent'} the tree of ${printPath(source)}`,
    `  ${formatCount(entries, 'entry', 'entries')}: ${formatCount(files, 'file')}, ${formatBytes(sizeBytes)}`,
    `  ${formatCount(sentFiles, 'file')} sent, ${deltaFiles} as deltas: ${formatBytes(sentBytes)}, ${formatSeconds(elapsedMs)}`
  ]
  if (unreadableEntries + dirtyFiles > 0)
    lines.push(`  ${unreadableEntries} unreadable, ${dirtyFiles} changed while they were read`)
  if (notWrittenEntries > 0) lines.push(`  ${notWrittenEntries} not written by the receiver, or not wholly`)
  return lines
}
