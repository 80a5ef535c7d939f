import { settleChange } from '../change/compare.js'
import { abortable } from '../flow/abortable.js'
import { parseArtifactName } from '../format/names.js'
import { pipe } from '../interop/pipe.js'
import { diff } from '../stages/diff.js'
import { Chain, type StoredBackup } from '../stores/chain.js'
import type { Change, StateEntry, StateHeader, Store, Totals } from '../types.js'
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
}

export interface AtOptions extends PlaceOptions {
  /** The newest backup that is not younger: a `Date`, ISO, or words such as `3 days ago`. Default: the newest. */
  readonly at?: Date | string | undefined
}

/**
 * The backups of a key, or of all keys, oldest first. Reads both ends of each state, out of the store: a cache would
 * have to fetch it whole. Memory: the names of one key.
 */
export async function* listBackups(
  key?: string,
  options: PlaceOptions = {}
): AsyncGenerator<BackupSummary, void, undefined> {
  const { store } = openPlaces(options)
  for (const name of key === undefined ? await keysOf(store, options) : [key]) {
    const chain = await Chain.open(store, name, options)
    for (const backup of chain.backups) yield summarize(chain, backup)
  }
}

/** The newest backup of a key, if there is one. */
export async function newestBackup(key: string, options: PlaceOptions): Promise<BackupSummary | undefined> {
  const chain = await Chain.open(openPlaces(options).store, key, options)
  return chain.newest && summarize(chain, chain.newest)
}

async function summarize(chain: Chain, { date, sizeBytes }: StoredBackup): Promise<BackupSummary> {
  const { header, closing } = await chain.ends(date)
  // As the state has it: a full whose archive is gone is still no incremental.
  const { kind } = header
  const parent = header.chain.at(-2)?.date
  return { key: chain.key, date, kind, parent, storedBytes: sizeBytes, totals: closing.totals }
}

async function keysOf(store: Store, { signal }: PlaceOptions): Promise<string[]> {
  const keys = new Set<string>()
  for await (const { name } of abortable(store.list(undefined, { signal }), signal)) {
    const parsed = parseArtifactName(name)
    if (parsed !== undefined) keys.add(parsed.key)
  }
  return [...keys].sort()
}

/** The entries of a backup in path order. @throws BackupError IBT_NO_BACKUP, and what reading a state throws */
export async function* listEntries(
  key: string,
  options: AtOptions = {}
): AsyncGenerator<StateEntry, StateHeader, undefined> {
  const chain = await Chain.open(openPlaces(options).cached, key, options)
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

/** What differs between two backups, in path order, told from their states alone. Returns the dates of the two. */
export async function* compareBackups(
  key: string,
  options: CompareOptions = {}
): AsyncGenerator<Change, { readonly from: string; readonly to: string }, undefined> {
  const chain = await Chain.open(openPlaces(options).cached, key, options)
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
