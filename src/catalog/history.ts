import { type BackupError, isBackupError } from '../errors.js'
import type { PlaceOptions } from '../places/options.js'
import { parseTypedPath } from '../rules.js'
import type { Chain } from '../stores/chain.js'
import type { ChangeKind, Place, StateEntry } from '../types.js'
import { changeOf } from './changes.js'
import { findEntry, peekChain } from './open-chain.js'

/** States that are searched at the same time. */
const SEARCHES_AHEAD = 4

/** What a backup says of a path, where that is not what the one before it says. */
export interface PathEvent {
  readonly date: string
  /** `deleted`: this is the first backup without it. `unchanged`: it is the same, but its content is stored elsewhere. */
  readonly change: ChangeKind
  readonly path: string
  /** The entry; of one that was deleted, as the backup before had it. */
  readonly entry: StateEntry
  readonly error?: undefined
}

/** A backup whose state cannot be read. */
export interface UnreadableEvent {
  readonly date: string
  readonly path: string
  readonly error: BackupError
  readonly change?: undefined
}

/**
 * When a path came, changed and went, by the backups of its key, oldest first; and which archives hold its content.
 * A path as people type it is taken, too. The path is searched in each state, `SEARCHES_AHEAD` states at a time; nothing
 * is fetched into the cache. A state that cannot be read costs its own event, which has an `error`.
 * Memory: that of the searches.
 *
 * @throws BackupError IBT_NO_BACKUP if the key has none; what the store throws
 */
export async function* entryHistory(
  key: string,
  path: string,
  options: PlaceOptions = {}
): AsyncGenerator<PathEvent | UnreadableEvent, void, undefined> {
  const wanted = parseTypedPath(path)
  const chain = await peekChain(key, options)
  // With an error where there is none.
  chain.at()
  let previous: StateEntry | undefined
  for await (const { date, entry, error } of searches(chain, wanted)) {
    if (error !== undefined) {
      options.signal?.throwIfAborted()
      if (!isBackupError(error)) throw error
      yield { date, path: wanted, error }
      continue
    }
    const event = eventOf(entry, previous)
    if (event !== undefined) yield { date, path: wanted, ...event }
    previous = entry
  }
}

function eventOf(
  entry: StateEntry | undefined,
  previous: StateEntry | undefined
): Pick<PathEvent, 'change' | 'entry'> | undefined {
  if (entry === undefined) return previous && { change: 'deleted', entry: previous }
  if (previous === undefined) return { change: 'created', entry }
  const change = changeOf(entry, previous)
  return change === 'unchanged' && isSamePlace(entry.places, previous.places) ? undefined : { change, entry }
}

function isSamePlace(a: readonly Place[] = [], b: readonly Place[] = []): boolean {
  return a.length === b.length && a.every(({ date, offset }, i) => date === b[i]!.date && offset === b[i]!.offset)
}

interface Search {
  readonly date: string
  readonly entry?: StateEntry | undefined
  readonly error?: unknown
}

/** The searches in order, some of them under way. */
async function* searches(chain: Chain, path: string): AsyncGenerator<Search, void, undefined> {
  const underWay: Promise<Search>[] = []
  for (const { date } of chain.backups) {
    const search = findEntry(chain, date, path).then(
      entry => ({ date, entry }),
      (error: unknown) => ({ date, error })
    )
    underWay.push(search)
    if (underWay.length >= SEARCHES_AHEAD) yield await underWay.shift()!
  }
  for (const search of underWay) yield await search
}
