import { settleChange } from '../change/compare.js'
import { type BackupError, isBackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import { pipe } from '../interop/pipe.js'
import { diff } from '../stages/diff.js'
import { Chain, listStored, type StoredBackup } from '../stores/chain.js'
import type { Change, StateEntry, StateHeader, StoredName, Totals } from '../types.js'
import { parseAt } from './at.js'
import type { PlaceOptions } from './options.js'
import { openPlaces } from './places.js'

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

export interface AtOptions extends PlaceOptions {
  /** The newest backup made at or before it: a `Date`, ISO, or words such as `3 days ago`. Default: the newest. */
  readonly at?: Date | string | undefined
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
    for (const backup of chain.backups) yield await summarize(chain, backup).catch(asUnreadable(chain, backup, signal))
  }
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
  const parent = header.chain.at(-2)?.date
  return { key: chain.key, date, kind, parent, storedBytes: sizeBytes, totals: closing.totals }
}

function openChain(key: string, options: PlaceOptions): Promise<Chain> {
  const { signal, codecs } = options
  return Chain.open(openPlaces(options).cached, key, { signal, codecs })
}

function keysOf(stored: readonly StoredName[]): string[] {
  const keys = stored.flatMap(({ name }) => parseArtifactName(name)?.key ?? [])
  return [...new Set(keys)].sort()
}

/** The entries of a backup in path order. @throws BackupError IBT_NO_BACKUP, and what reading a state throws */
export async function* listEntries(
  key: string,
  options: AtOptions = {}
): AsyncGenerator<StateEntry, StateHeader, undefined> {
  const chain = await openChain(key, options)
  const state = await chain.state(chain.at(await parseAt(options.at)).date)
  yield* state.entries()
  return state.header
}

export interface CompareOptions extends PlaceOptions {
  /** Default: the backup before `to`. */
  readonly from?: Date | string | undefined
  /** Default: the newest. */
  readonly to?: Date | string | undefined
}

/** The differences between two backups, in path order, from their states alone. Returns the dates of the two. */
export async function* compareBackups(
  key: string,
  options: CompareOptions = {}
): AsyncGenerator<Change, { readonly from: string; readonly to: string }, undefined> {
  const chain = await openChain(key, options)
  const to = chain.at(await parseAt(options.to))
  const before = chain.backups.findLast(({ date }) => date < to.date) ?? to
  const from = options.from === undefined ? before : chain.at(await parseAt(options.from))
  for await (const item of pipe(chain.entries(to.date), diff(chain.entries(from.date)))) {
    const change = settled(item)
    if (change !== 'unchanged') yield { ...item, change }
  }
  return { from: from.date, to: to.date }
}

/** Two states know both digests: no content is in doubt. */
function settled(item: Change & Partial<StateEntry>): Change['change'] {
  const { change, previous, sha256 } = item
  if (change !== 'updated' || previous === undefined || sha256 === undefined) return change
  return settleChange(item, previous, sha256)
}
