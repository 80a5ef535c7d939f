import { filter } from '../stages/filter.js'
import { type IncrementalStages, runStages } from './backup-stages.js'
import { chooseStages } from './choose-stages.js'
import { openRun, type RunKind } from './open-run.js'
import type { BackupOptions, BackupReport } from './options.js'

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

/** A full if there is none yet, else an incremental. */
export function autoBackup(
  source: string | Uint8Array,
  options: BackupOptions<IncrementalStages> = {}
): Promise<BackupReport> {
  return backup(source, 'auto', options)
}

async function backup(
  source: string | Uint8Array,
  kind: RunKind,
  { stages, ...options }: BackupOptions<IncrementalStages>
): Promise<BackupReport> {
  const run = await openRun(source, { ...options, kind })
  try {
    const chosen = chooseStages(run.stages, stages, filter(run.rules))
    return await run.report(await runStages(chosen, run, run.context))
  } finally {
    await run.close()
  }
}
