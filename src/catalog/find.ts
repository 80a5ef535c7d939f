import { hasDigest, isSameContent } from '../change/compare.js'
import { type BackupError, isBackupError } from '../errors.js'
import type { PlaceOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import { createSelection, type Selection } from '../rules.js'
import { listStored } from '../stores/backup-names.js'
import { Chain } from '../stores/chain.js'
import type { Metadata, StateEntry } from '../types.js'
import { keysOf } from './backups.js'
import { onlyWithin } from './open-chain.js'
import { findVersions, type Version } from './versions.js'

/** Options of `findEntries`. */
export interface FindOptions extends PlaceOptions {
  /** Observes the state of a backup that cannot be read: it is passed over then. Default: the error is thrown. */
  readonly onError?: ((error: BackupError) => void) | undefined
}

/** One content of a path, and the backups that have it, one after the other. */
export interface FoundVersion extends Metadata {
  readonly key: string
  readonly sha256?: string | undefined
  /** When its content was erased from all backups. */
  readonly erased?: string | undefined
  /** Dates of the oldest and the newest of those backups. */
  readonly first: string
  readonly last: string
  /** How many there are. */
  readonly backups: number
  /** Whether the newest backup of the key is one of them. */
  readonly isCurrent: boolean
}

/**
 * Finds entries by a pattern in all backups of a key, or of all keys: one item for each content that a path has had.
 * A pattern is one of `createSelection`, but does not select what lies below an entry that it matches. Keys in order,
 * then path order, then oldest first. What differs only in metadata is one version, with the metadata of its newest.
 * Every state is read once, from its first frame, or from the directory that the pattern begins with; nothing is fetched
 * into the cache. Memory: as `findVersions`.
 *
 * @throws BackupError as reading a state throws; RangeError for a pattern that is empty
 */
export async function* findEntries(
  key: string | undefined,
  pattern: string,
  options: FindOptions = {}
): AsyncGenerator<FoundVersion, void, undefined> {
  const selection = createSelection([pattern], { below: false })
  const { signal, codecs } = options
  const { peeked } = openPlaces(options)
  const stored = await listStored(peeked, key === undefined ? undefined : `${key}.`, { signal })
  for (const name of key === undefined ? keysOf(stored) : [key]) {
    const chain = await Chain.open(peeked, name, { signal, codecs, stored })
    yield* findInChain(chain, selection, options)
  }
}

async function* findInChain(
  chain: Chain,
  selection: Selection,
  { signal, onError }: FindOptions
): AsyncGenerator<FoundVersion, void, undefined> {
  const { key, backups } = chain
  const unknown = new Set<number>()
  const entriesOf = async function* (number: number) {
    try {
      yield* selected(chain, backups[number]!.date, selection)
    } catch (error) {
      signal?.throwIfAborted()
      if (onError === undefined || !isBackupError(error)) throw error
      unknown.add(number)
      onError(error)
    }
  }
  const joining = { isSame: isSameVersion, isUnknown: (number: number) => unknown.has(number) }
  for await (const { entry, first, last } of findVersions(entriesOf, 0, backups.length, joining)) {
    yield toFound({ entry, first, last }, key, backups)
  }
}

async function* selected(
  chain: Chain,
  date: string,
  { selects, within }: Selection
): AsyncGenerator<StateEntry, void, undefined> {
  const from = within === undefined ? undefined : { from: within }
  const entries = chain.entries(date, from)
  for await (const entry of within === undefined ? entries : onlyWithin(entries, within)) {
    if (selects(entry.path, entry.type)) yield entry
  }
}

/** Whether two entries of a path have the same content; without a digest the time stands for it. */
function isSameVersion(entry: StateEntry, previous: StateEntry): boolean {
  if (entry.type !== previous.type || entry.linkname !== previous.linkname) return false
  if (entry.erased !== previous.erased) return false
  if (entry.type !== 'file') return true
  if (hasDigest(entry) || hasDigest(previous)) return isSameContent(entry, previous)
  return entry.sizeBytes === previous.sizeBytes && entry.mtimeNs === previous.mtimeNs
}

function toFound({ entry, first, last }: Version, key: string, dates: Chain['backups']): FoundVersion {
  const {
    places: _,
    signature: __,
    signatureDigest: ___,
    dirty: ____,
    carried: _____,
    racy: ______,
    ...metadata
  } = entry
  return {
    key,
    ...metadata,
    first: dates[first]!.date,
    last: dates[last]!.date,
    backups: last - first + 1,
    isCurrent: last === dates.length - 1
  }
}
