import { isUnchangedSpan } from '../../change/unchanged.js'
import { batchesOf, isBatch } from '../../flow/batches.js'
import { pipe } from '../../interop/pipe.js'
import { openPlaces } from '../../places/places.js'
import { checkLimits, chooseLevel, firstLevel, type Level } from '../../plan/level.js'
import { Chain } from '../../stores/chain.js'
import type { ChangeKind } from '../../types.js'
import type { RunOptions } from '../options.js'
import { openRun } from './open-run.js'

/** Options of `planBackup`: those that the backup would get. */
export interface PlanBackupOptions extends Omit<RunOptions, 'key'> {
  /** The source: it is listed and compared with the newest backup, but no content is read. */
  readonly source?: string | Uint8Array | undefined
}

/** What a backup would find in its source. */
export interface PlannedSource {
  readonly entries: number
  /** By what metadata tell: of the files that are read, some turn out to be unchanged. */
  readonly changes: Readonly<Record<ChangeKind, number>>
  readonly readFiles: number
  readonly readBytes: number
}

/** What the next `autoBackup` would do. */
export interface BackupPlan extends Level {
  readonly key: string
  readonly source?: PlannedSource | undefined
}

/**
 * Says whether the next backup of a key would be a full or an incremental and why, with the figures that decide; with a
 * source, what it would read. Stores nothing and takes no lock.
 *
 * @throws BackupError as `autoBackup` does
 */
export async function planBackup(key: string, options: PlanBackupOptions = {}): Promise<BackupPlan> {
  const { source, codecs, signal } = options
  checkLimits(options)
  if (source !== undefined) return planSource(source, { ...options, key })
  const chain = await Chain.open(openPlaces(options).cached, key, { codecs, signal })
  if (chain.newest === undefined) return { key, ...firstLevel(options) }
  return { key, ...(await chooseLevel(chain, chain.newest.date, options)) }
}

async function planSource(source: string | Uint8Array, options: RunOptions): Promise<BackupPlan> {
  const run = await openRun(source, { ...options, dryRun: true })
  try {
    const { walk, filter, diff } = run.stages
    const changes = { created: 0, updated: 0, touched: 0, deleted: 0, unchanged: 0 }
    const links = new Set<number>()
    let [entries, readFiles, readBytes] = [0, 0, 0]
    for await (const item of batchesOf(pipe(walk, filter, run.addParents, diff, run.context))) {
      if (isUnchangedSpan(item)) {
        entries += item.length
        changes.unchanged += item.length
        continue
      }
      for (const { change = 'created', type, sizeBytes = 0, link } of isBatch(item) ? item : [item]) {
        changes[change]++
        if (change !== 'deleted') entries++
        if (type !== 'file' || (change !== 'created' && change !== 'updated')) continue
        if (link !== undefined && links.has(link)) continue
        if (link !== undefined) links.add(link)
        readFiles++
        readBytes += sizeBytes
      }
      if (isBatch(item)) item.release?.()
    }
    const found = { entries, changes, readFiles, readBytes }
    return { key: run.header.key, ...run.level!, source: found }
  } finally {
    await run.close()
  }
}
