import { GRACE_MS } from '../../constants.js'
import { traceRun } from '../../flow/tracing.js'
import { whileLocked } from '../../lifecycle/locked.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import { type Swept, sweep } from '../../lifecycle/sweep.js'
import { openPlaces } from '../../places/places.js'
import { listStored } from '../../stores/backup-names.js'
import { checkMounted } from '../mounted.js'
import { followInCache } from './prune.js'

/** Options of `cleanBackups`. */
export interface CleanOptions extends LockedOptions {
  /** Milliseconds in which a removed backup can come back. Default: `GRACE_MS`; 0: what nothing needs goes now. */
  readonly graceMs?: number | undefined
  /** Leave the signatures that backups name. Default: those go that the newest backup does not name. */
  readonly keepSigvaults?: boolean | undefined
}

/** What a clean has done. */
export interface CleanReport extends Swept {
  readonly key: string
}

/**
 * Deletes what no backup of a key needs, nor one that was removed less than `graceMs` ago.
 * Memory: the names of the key, and one reference for each artifact that each backup needs.
 *
 * @throws BackupError IBT_LOCKED, IBT_NO_BACKUP, IBT_STORE_EMPTY, and what a state cannot be read for.
 */
export function cleanBackups(key: string, options: CleanOptions = {}): Promise<CleanReport> {
  return traceRun({ operation: 'clean', key }, () => clean(key, options))
}

async function clean(key: string, options: CleanOptions): Promise<CleanReport> {
  const { graceMs = GRACE_MS, keepSigvaults, codecs, signal } = options
  const places = openPlaces(options)
  signal?.throwIfAborted()
  await checkMounted(places, key, { signal })
  return whileLocked(places, key, options, async check => {
    const nowMs = Date.now()
    const swept = await sweep(places.store, key, { graceMs, nowMs, keepSigvaults, codecs, signal, check })
    await followInCache(places, key, await listStored(places.store, `${key}.`, { signal }), [])
    return { key, ...swept }
  })
}
