import { newestBackup } from '../../catalog/backups.js'
import { printPath } from '../../path.js'
import { type ArchiveReads, type RestoreReport, restoreBackup } from '../../pipelines/restore/restore.js'
import { restoreTar, type TarReport } from '../../pipelines/restore/restore-tar.js'
import type { Overwrite, Written } from '../../stages/write.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { PlannedChanges } from '../planned-changes.js'
import { Reporter } from '../reporter.js'
import { tarFailed, tarReporter } from '../tar-output.js'

export interface RestoreValues extends CommonValues {
  readonly at?: string
  readonly path?: readonly string[]
  readonly numericOwner?: boolean
  readonly overwrite?: string
  readonly delete?: boolean
  readonly dryRun?: boolean
}

/** What both kinds of restore report. */
type Report = TarReport & Partial<Pick<RestoreReport, 'incompleteEntries' | 'dryRun'>>

/** `ibt restore`. */
export async function runRestore(
  key: string,
  dest: string,
  values: RestoreValues,
  signal: AbortSignal
): Promise<number> {
  const toTar = dest === '-'
  const overwrite = checkOverwrite(values, toTar)
  const reporter = toTar ? tarReporter(values) : new Reporter(values)
  const { onProgress, onError } = reporter
  const options = { ...toPlaceOptions(values, signal), at: values.at, paths: values.path, onProgress, onError }
  try {
    if (process.stderr.isTTY && values.path === undefined && values.at === undefined) {
      reporter.expect((await newestBackup(key, options))?.totals.sizeBytes ?? 0)
    }
    if (toTar) {
      const report = await restoreTar(key, process.stdout, options).catch(tarFailed)
      return tell(reporter, values, report, [`Restored ${key} of ${report.date} as a tar`])
    }
    const owners = values.numericOwner && process.geteuid?.() === 0 ? 'number' : undefined
    const { delete: deletes, dryRun } = values
    const changes = new PlannedChanges(process.stdout, values)
    const { onChange } = changes
    const report = await restoreBackup(key, dest, { ...options, owners, overwrite, delete: deletes, dryRun, onChange })
    if (report.dryRun) {
      const first = `Dry run: nothing was written into ${dest}, from ${key} of ${report.date}`
      return tell(reporter, values, report, [first, changes.line(report)], leftOutLines(report))
    }
    return tell(
      reporter,
      values,
      report,
      [`Restored ${key} of ${report.date} to ${dest}`],
      [...(overwrite === undefined ? [] : [overLine(report)]), ...leftOutLines(report)]
    )
  } finally {
    reporter.end()
  }
}

function readLine({ archives, ofArchives, storedBytes, ofStoredBytes, requests }: ArchiveReads): string {
  const read = `  read ${formatBytes(storedBytes)} in ${formatCount(requests, 'request')}, `
  if (ofArchives === undefined || ofStoredBytes === undefined) return read + formatCount(archives, 'archive')
  return `${read}${archives.toLocaleString('en')} of ${formatCount(ofArchives, 'archive')} (${formatBytes(ofStoredBytes)})`
}

/** What a destination that was not empty had already, and has no longer. */
export function overLine({ unchangedEntries, deletedEntries, sharedBytes }: Written): string {
  const shared = sharedBytes > 0 ? `, ${formatBytes(sharedBytes)} shared with what was there` : ''
  return `  ${unchangedEntries.toLocaleString('en')} left as they were, ${deletedEntries.toLocaleString('en')} deleted${shared}`
}

/** What a restore into a directory has not done, apart from entries that failed. */
export function leftOutLines(report: Written): string[] {
  const { incompleteEntries, spared, sparedEntries, unprivileged, unprivilegedEntries } = report
  return [
    ...(incompleteEntries > 0
      ? [`  ${incompleteEntries} without an owner, mode, time or attribute that could not be set`]
      : []),
    ...(sparedEntries > 0 ? [`  ${sparedEntries} not deleted or replaced: ${listPaths(spared, sparedEntries)}`] : []),
    ...(unprivilegedEntries > 0
      ? [
          `  ${unprivilegedEntries} without setuid, setgid or capabilities: ${listPaths(unprivileged, unprivilegedEntries)}`
        ]
      : [])
  ]
}

const LISTED_PATHS = 5

function listPaths(paths: readonly string[], count: number): string {
  const listed = paths.slice(0, LISTED_PATHS).map(printPath)
  return listed.join(', ') + (count > listed.length ? ` and ${count - listed.length} more` : '')
}

/** @throws UsageError */
function checkOverwrite({ overwrite, delete: deletes, dryRun, numericOwner }: RestoreValues, toTar: boolean) {
  if (toTar && (overwrite !== undefined || deletes || dryRun || numericOwner)) {
    throw new UsageError(
      '--overwrite, --delete, --dry-run and --numeric-owner need a directory as the destination, not stdout'
    )
  }
  if (deletes && overwrite === undefined)
    throw new UsageError('--delete requires --overwrite always, if-changed or never')
  if (overwrite === undefined || isOverwrite(overwrite)) return overwrite
  throw new UsageError(`'${overwrite}' is not a value of --overwrite: give always, if-changed or never`)
}

export function isOverwrite(text: string): text is Overwrite {
  return text === 'always' || text === 'if-changed' || text === 'never'
}

function tell(
  reporter: Reporter,
  { path }: RestoreValues,
  report: Report,
  first: readonly string[],
  more: readonly string[] = []
): number {
  const { date, files, sizeBytes, entries, skippedEntries, incompleteEntries = 0 } = report
  const { erasedEntries, suspectFiles, dryRun = false } = report
  const isEmpty = path !== undefined && entries === 0
  if (isEmpty) reporter.warn(`Nothing in the backup of ${date} matches ${path.join(', ')}`)
  const lines = [
    ...first,
    ...(dryRun
      ? []
      : [
          `  ${formatCount(entries, 'entry', 'entries')}: ${formatCount(files, 'file')}, ${formatBytes(sizeBytes)} written, ${formatSeconds(reporter.elapsedMs)}`,
          readLine(report.reads)
        ]),
    ...more,
    ...(suspectFiles > 0
      ? [`  ${formatCount(suspectFiles, 'file')} suspected of bit rot when backed up: see ibt help IBT_BIT_ROT`]
      : []),
    ...(erasedEntries > 0
      ? [`  ${formatCount(erasedEntries, 'file')} not restored: erased from all backups (ibt help erase)`]
      : []),
    ...(skippedEntries > 0 ? [`  ${skippedEntries} could not be restored`] : [])
  ]
  const isPartial = skippedEntries + incompleteEntries > 0
  return reporter.report(report, lines, isEmpty ? Exit.failed : isPartial ? Exit.partial : Exit.done)
}
