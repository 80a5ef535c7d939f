import { type BackupError, isBackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import type { PlaceOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import { listStored, type StoredBackup } from '../stores/backup-names.js'
import { Chain } from '../stores/chain.js'
import { backupLinks } from '../stores/merged-places.js'
import type { StoredName, Totals } from '../types.js'

/** One backup of a store. */
export interface BackupSummary {
  readonly key: string
  readonly date: string
  readonly kind: 'full' | 'incremental'
  readonly parent?: string | undefined
  readonly storedBytes: number
  readonly totals: Totals
  readonly error?: undefined
}

/** A backup whose state cannot be read: what the list of the store says of it, and why. */
export interface UnreadableBackup {
  readonly key: string
  readonly date: string
  /** As the names of its artifacts say: without its archive, a full counts as an incremental. */
  readonly kind: 'full' | 'incremental'
  readonly parent?: undefined
  readonly storedBytes: number
  readonly totals?: undefined
  readonly error: BackupError
}

/**
 * The backups of a key, or of all keys, oldest first. Lists the store once. Reads both ends of each state, from the cache
 * if it is there: nothing is fetched into the cache. A state that cannot be read costs its own line, which has an `error`.
 * Memory: the names of the store.
 */
export async function* listBackups(
  key?: string,
  options: PlaceOptions = {}
): AsyncGenerator<BackupSummary | UnreadableBackup, void, undefined> {
  const { signal, codecs } = options
  const { peeked } = openPlaces(options)
  const stored = await listStored(peeked, key === undefined ? undefined : `${key}.`, { signal })
  for (const name of key === undefined ? keysOf(stored) : [key]) {
    const chain = await Chain.open(peeked, name, { signal, codecs, stored })
    yield* summarizeBackups(chain, signal)
  }
}

/** The backups of a chain. Reads both ends of each state. A state that cannot be read costs its own line. */
export async function* summarizeBackups(
  chain: Chain,
  signal: AbortSignal | undefined
): AsyncGenerator<BackupSummary | UnreadableBackup, void, undefined> {
  for (const backup of chain.backups) yield await summarize(chain, backup).catch(asUnreadable(chain, backup, signal))
}

/** The newest backup of a key, if there is one. */
export async function newestBackup(key: string, options: PlaceOptions): Promise<BackupSummary | undefined> {
  const { signal, codecs } = options
  const chain = await Chain.open(openPlaces(options).peeked, key, { signal, codecs })
  return chain.newest && summarize(chain, chain.newest)
}

function asUnreadable(chain: Chain, { date, kind, sizeBytes }: StoredBackup, signal: AbortSignal | undefined) {
  return (error: unknown): UnreadableBackup => {
    signal?.throwIfAborted()
    if (!isBackupError(error)) throw error
    return { key: chain.key, date, kind, storedBytes: sizeBytes, error }
  }
}

async function summarize(chain: Chain, { date, sizeBytes }: StoredBackup): Promise<BackupSummary> {
  const { header, closing } = await chain.ends(date)
  // As the state has it: a full whose archive is gone is still no incremental.
  const { kind } = header
  const parent = backupLinks(header.chain).at(-2)
  return {
    key: chain.key,
    date,
    kind,
    parent: parent?.asOf ?? parent?.date,
    storedBytes: sizeBytes,
    totals: closing.totals
  }
}

/** The keys of artifacts in a list, in order. */
export function keysOf(stored: readonly StoredName[]): string[] {
  const keys = stored.flatMap(({ name }) => parseArtifactName(name)?.key ?? [])
  return [...new Set(keys)].sort()
}
