import { printPath } from '../../path.js'
import { type EraseReport, eraseFiles } from '../../pipelines/upkeep/erase.js'
import type { OtherPath } from '../../rewrite/erase-search.js'
import type { ErasedBackup, ErasePlan } from '../../rewrite/plan-erase.js'
import { describeRetained } from '../../stores/stored-name.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { toMs } from '../keep.js'
import { Reporter } from '../reporter.js'

export interface EraseValues extends CommonValues {
  readonly dryRun?: boolean
  readonly lockWait?: number
}

const PATHS_SHOWN = 10

/** `ibt erase`. */
export async function runErase(
  key: string,
  patterns: readonly string[],
  values: EraseValues,
  signal: AbortSignal
): Promise<number> {
  const { dryRun, lockWait } = values
  const reporter = new Reporter(values)
  const { onProgress, onError } = reporter
  const onPlan = (plan: ErasePlan) => reporter.plan(plan, planLines(plan))
  try {
    const options = {
      ...toPlaceOptions(values, signal),
      onProgress,
      onError,
      lockWaitMs: toMs(lockWait),
      dryRun,
      onPlan
    }
    return tell(reporter, patterns, await eraseFiles(key, patterns, options), dryRun)
  } finally {
    reporter.end()
  }
}

/** The table: which backups are written again, what goes, and what stays under other names. */
function planLines(plan: ErasePlan): string[] {
  const { key, backups, purged, sigvaults, copies, builtOn, doomed, bodyBytes, readBytes } = plan
  if (backups.length + purged.length === 0) return []
  const lines = [
    `${key}: ${formatCount(backups.length, 'backup')} written again, ${formatCount(purged.length, 'removed backup')} deleted for good`,
    ...backups.map(describe),
    ...purged.map(({ date, reason }) => `  ${date}  deleted: ${reason}`),
    ...pathLines('Has the same content, and stays', copies),
    ...pathLines('Is stored as changes to it, and becomes whole: it may repeat parts of it', builtOn)
  ]
  if (sigvaults.length > 0) {
    lines.push(
      `${formatCount(sigvaults.length, 'sigvault')} deleted: files signed there are stored whole when they change`
    )
  }
  const locked = doomed.filter(({ retainedUntilMs = 0 }) => retainedUntilMs > Date.now())
  if (locked.length > 0) {
    const until = Math.max(...locked.map(({ retainedUntilMs = 0 }) => retainedUntilMs))
    lines.push(`${formatCount(locked.length, 'file')} ${describeRetained(until)}: nothing can be erased before`)
  }
  lines.push(`At most ${formatBytes(readBytes)} read, ${formatBytes(bodyBytes)} written before compression`)
  return lines
}

function describe({ date, kind, files, sizeBytes, bodyBytes, storedBytes }: ErasedBackup): string {
  const columns = [
    date,
    kind.padEnd(11),
    `${formatCount(files, 'file').padStart(10)}, ${formatBytes(sizeBytes).padStart(9)} erased`,
    `${formatBytes(bodyBytes).padStart(9)} written`,
    `${formatBytes(storedBytes).padStart(9)} deleted`
  ]
  return `  ${columns.join('  ')}`
}

function pathLines(what: string, paths: readonly OtherPath[]): string[] {
  const shown = paths.slice(0, PATHS_SHOWN).map(({ path, first, last }) => `  ${printPath(path)}  ${first} to ${last}`)
  const more = paths.length - shown.length
  return paths.length === 0 ? [] : [`${what}:`, ...shown, ...(more > 0 ? [`  and ${more} more`] : [])]
}

function tell(
  reporter: Reporter,
  patterns: readonly string[],
  { plan, ...report }: EraseReport,
  dryRun: boolean | undefined
): number {
  const { key, swept, storedBytes, left } = report
  if (!plan.isNeeded) {
    reporter.warn(`Nothing in the backups of ${key} matches ${patterns.map(printPath).join(', ')}`)
    return reporter.report(report, [], Exit.failed)
  }
  if (dryRun) return reporter.report(report, [`Dry run: nothing of ${key} was erased`], Exit.done)
  const lines = [
    `Erased from ${key}: ${formatCount(plan.backups.length, 'backup')} written again, ${formatBytes(storedBytes)} stored`,
    `  ${formatCount(swept!.deleted.length, 'file')} deleted, ${formatBytes(swept!.freedBytes)}, ${formatSeconds(reporter.elapsedMs)}`
  ]
  for (const { name, reason } of left) reporter.warn(`${name} is left and may have what was to be erased: ${reason}`)
  if (plan.backups.length > 0) {
    reporter.warn('If the source still has these files, the next backup stores them again: exclude them (--exclude)')
  }
  return reporter.report(report, lines, left.length > 0 ? Exit.failed : Exit.done)
}
