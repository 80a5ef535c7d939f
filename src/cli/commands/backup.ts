import { join } from 'node:path'
import { autoBackup, fullBackup, incrementalBackup } from '../../pipelines/backup/backup.js'
import { TAR_SOURCE_ID } from '../../pipelines/backup/import-tar.js'
import type { StreamBackupOptions } from '../../pipelines/backup/stream-backup.js'
import type { IncrementalStages } from '../../pipelines/backup-stages.js'
import type { BackupOptions, BackupReport } from '../../pipelines/options.js'
import { temporaryStorePath } from '../../places/places.js'
import { type BackupValues, toBackupOptions } from '../backup-options.js'
import { countBytes } from '../count-ahead.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { keyNotes } from '../keys.js'
import { limited } from '../limited-output.js'
import { filesOf } from '../names.js'
import { describeFullReason, largestLines, mapLines } from '../reasons.js'
import { Reporter } from '../reporter.js'
import { tarFailed, tarReporter } from '../tar-output.js'
import { closeStdin, isTarSource, tarOnStdin } from '../tar-source.js'

const RUN = { full: fullBackup, incremental: incrementalBackup, backup: autoBackup }

/** A command that makes backups. */
export type Level = keyof typeof RUN | 'send'

/** `ibt full`, `ibt incremental`, `ibt backup`, `ibt send`: of a path, or of sources of the config. */
export async function runBackup(
  level: Level,
  sources: readonly string[],
  values: BackupValues,
  signal: AbortSignal
): Promise<number> {
  checkOut(values)
  const { backUpSources, namedSources } = await import('./backup-sources.js')
  const named = namedSources(sources, values.loaded)
  return named === undefined
    ? backUpPath(level, sources[0]!, values, signal)
    : backUpSources(level, named, values, signal)
}

async function backUpPath(level: Level, source: string, values: BackupValues, signal: AbortSignal): Promise<number> {
  const reporter = reporterOf(level, values)
  const isTar = isTarSource(source, values)
  const options = toBackupOptions(values, signal, { isSent: level === 'send' })
  if (values.temporary) reporter.warn(`Backups are stored in ${temporaryStorePath()}, which a restart may empty`)
  const rules = { ...options.rules, files: filesOf(values) }
  const { sourceId = TAR_SOURCE_ID } = values
  const tar = isTar ? { sourceId, stages: { walk: tarOnStdin(values) } } : {}
  try {
    const report = await backUp(level, source, { ...options, ...tar, rules }, reporter, values)
    return reporter.report(report, describe(report, reporter.elapsedMs, values), reportCode(report))
  } finally {
    if (isTar) closeStdin()
    reporter.end()
  }
}

/** Makes a backup, and says what is odd about it. */
export async function backUp(
  level: Level,
  source: string,
  options: BackupOptions<IncrementalStages>,
  reporter: Reporter,
  values: BackupValues
): Promise<BackupReport> {
  const { rules = {}, readFrom = source } = options
  if (source !== '-') reporter.countBy(signal => countBytes(String(readFrom), rules, signal))
  const { onProgress, onError } = reporter
  const run = await runnerOf(level, values, reporter)
  const report = await run(source, { ...options, onProgress, onError })
  for (const path of report.leftOut) reporter.warn(`Excluded ${path}: it contains the backups or their cache`)
  if (report.kind === 'full' && report.isStored) for (const note of keyNotes(options)) reporter.warn(note)
  if (report.movedFiles > 0) reporter.warn(movedNotice(report.movedFiles))
  return report
}

/** The exit code of a backup that was made. */
export function reportCode({ skippedEntries, suspectFiles }: BackupReport): number {
  return skippedEntries + suspectFiles > 0 ? Exit.partial : Exit.done
}

/** A connection on stdout leaves stderr for what there is to say. */
export function reporterOf(level: Level, values: BackupValues): Reporter {
  if (level === 'send' && values.toCommand === undefined) return new Reporter({ ...values, output: process.stderr })
  return values.out === undefined ? new Reporter(values) : tarReporter(values)
}

async function runnerOf(level: Level, values: BackupValues, reporter: Reporter) {
  if (level === 'send') return (await import('../sender.js')).senderOf(values, reporter)
  return values.out === undefined ? RUN[level] : toStdout(level, values)
}

const KINDS = { full: 'full', incremental: 'incremental', backup: 'auto' } as const

/** Backs up into a bundle on stdout. */
function toStdout(name: keyof typeof RUN, { cache, volumeSize, limitRate }: BackupValues) {
  const sent = typeof cache === 'string' ? join(cache, 'sent') : cache
  return async (source: string, options: StreamBackupOptions) => {
    const { streamBackup } = await import('../../pipelines/backup/stream-backup.js')
    return streamBackup(source, limited(process.stdout, limitRate), {
      ...options,
      kind: KINDS[name],
      sent,
      volumeBytes: volumeSize
    }).catch(tarFailed)
  }
}

/** @throws UsageError */
function checkOut(values: BackupValues): void {
  const { out, temporary, skipUnchanged, dryRun, init, deleteOldSigvaults, volumeSize } = values
  if (out === undefined) {
    if (volumeSize !== undefined) throw new UsageError('--volume-size requires --out')
    return
  }
  if (values.maxRestoreRatio !== undefined || values.merge) {
    throw new UsageError('--max-restore-ratio and --merge need a store with archives: --out writes to none')
  }
  if (out !== '-') throw new UsageError('--out writes to stdout only: give --out - > FILE')
  if (temporary || skipUnchanged || dryRun || init || deleteOldSigvaults) {
    const needing = '--temporary, --skip-unchanged, --dry-run, --init and --delete-old-sigvaults'
    throw new UsageError(`${needing} need a store that is written to: --out writes to none`)
  }
}

function describeMerge({ date, after, storedBytes }: NonNullable<BackupReport['merged']>): string {
  const what = after === undefined ? `${date} merged to a full` : `the incrementals behind ${after} merged to one`
  return `First, ${what}: ${formatBytes(storedBytes)} stored; ibt prune removes what is not needed any more`
}

function movedNotice(count: number): string {
  return `${formatCount(count, 'file')} read but unchanged: only ctime or inode differed, as in a copied source`
}

function suspicion(count: number): string {
  const what = count === 1 ? 'file has other bytes, but its' : 'files have other bytes, but their'
  return `${count} ${what} size and mtime are as before: bit rot suspected, see ibt help IBT_BIT_ROT`
}

/** What a person reads of a backup. */
export function describe(
  report: BackupReport,
  elapsedMs: number,
  { dryRun, skipUnchanged, out }: BackupValues
): string[] {
  const { key, date, kind, parent, fullReason, totals, files, largest } = report
  const { created, updated, touched, deleted, unchanged, unreadable, dirty } = totals
  const size = `${formatCount(totals.files, 'file')}, ${formatBytes(totals.sizeBytes)}`
  const changes =
    kind === 'full'
      ? `${formatCount(totals.entries, 'entry', 'entries')}: ${size}`
      : `${created} created, ${updated} updated, ${touched} touched, ${deleted} deleted, ${unchanged} unchanged: ${size}`
  const lines = [
    `${kind === 'full' ? 'Full' : 'Incremental'} backup of ${key}, ${date}${parent ? ` on ${parent}` : ''}`
  ]
  lines.push(`  ${changes}`)
  if (report.merged !== undefined) lines.push(`  ${describeMerge(report.merged)}`)
  if (fullReason !== undefined) lines.push(`  Full because: ${describeFullReason(fullReason)}`)
  if (unreadable + dirty > 0) lines.push(`  ${unreadable} unreadable, ${dirty} changed while they were read`)
  if (report.madeDirectories > 0)
    lines.push(
      `  ${formatCount(report.madeDirectories, 'directory', 'directories')} added that the source did not have`
    )
  if (report.missingFiles > 0) lines.push(`  ${report.missingFiles} named but missing`)
  if (report.maps !== undefined) lines.push(...mapLines(report.maps))
  if (report.suspectFiles > 0) lines.push(`  ${suspicion(report.suspectFiles)}`)
  if (report.knownSuspects > 0)
    lines.push(`  ${formatCount(report.knownSuspects, 'file')} still as an earlier run suspected of bit rot`)
  if (largest.length > 0) lines.push('  Most of the new bytes, before compression:', ...largestLines(largest))
  for (const { name, sizeBytes } of files) lines.push(`  ${formatBytes(sizeBytes).padStart(9)}  ${name}`)
  const what = report.isStored
    ? `${formatBytes(report.storedBytes)} ${out === undefined ? 'stored' : 'sent'}`
    : dryRun
      ? 'Nothing stored: a dry run'
      : 'Nothing stored'
  lines.push(
    `  ${what}${!report.isStored && skipUnchanged && !dryRun ? ': nothing has changed' : ''}, ${formatSeconds(elapsedMs)}`
  )
  return lines
}
