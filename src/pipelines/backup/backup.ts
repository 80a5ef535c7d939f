import { filter } from '../../stages/filter.js'
import { type IncrementalStages, runStages } from '../backup-stages.js'
import { chooseStages } from '../choose-stages.js'
import type { BackupOptions, BackupReport } from '../options.js'
import { withCheck } from './check-made.js'
import { mergeFirst } from './merge-first.js'
import type { RunKind } from './newest.js'
import { openRun } from './open-run.js'
import { traceBackup } from './trace-backup.js'

/** Backs a directory up whole. Of its stages, `diff` passes every entry on. @throws BackupError */
export function fullBackup(
  source: string | Uint8Array,
  options: BackupOptions<IncrementalStages> = {}
): Promise<BackupReport> {
  return backup(source, 'full', options)
}

/** Backs up what has changed since the newest backup. @throws BackupError IBT_NO_BACKUP if there is none */
export function incrementalBackup(
  source: string | Uint8Array,
  options: BackupOptions<IncrementalStages> = {}
): Promise<BackupReport> {
  return backup(source, 'incremental', options)
}

/**
 * A full if there is none yet or a limit is reached, else an incremental. With `merge`, what is stored is merged where a
 * limit is reached, and an incremental follows.
 *
 * @throws BackupError
 */
export function autoBackup(
  source: string | Uint8Array,
  options: BackupOptions<IncrementalStages> = {}
): Promise<BackupReport> {
  return backup(source, 'auto', options)
}

function backup(
  source: string | Uint8Array,
  kind: RunKind,
  options: BackupOptions<IncrementalStages>
): Promise<BackupReport> {
  return traceBackup(source, { ...options, kind }, () => run(source, kind, options))
}

async function run(
  source: string | Uint8Array,
  kind: RunKind,
  { stages, ...options }: BackupOptions<IncrementalStages>
): Promise<BackupReport> {
  const merges = kind === 'auto' && options.merge === true && !options.dryRun
  const merged = merges ? await mergeFirst(source, options) : undefined
  // A limit that is still reached makes a full; a dry run has merged nothing.
  const opened = await openRun(source, { ...options, kind, merge: options.merge && !merges })
  try {
    const chosen = withCheck(chooseStages(opened.stages, stages, filter(opened.rules)), opened)
    const report = await opened.report(await runStages(chosen, opened, opened.context))
    return merged === undefined ? report : { ...report, merged }
  } finally {
    await opened.close()
  }
}
