import { compareEntry, hasDigest, kindOfRead } from '../change/compare.js'
import { pipe } from '../interop/pipe.js'
import { parseAt } from '../places/at.js'
import type { PlaceOptions } from '../places/options.js'
import { diff } from '../stages/diff.js'
import type { Change, ChangeKind, ContentDigests, StateEntry } from '../types.js'
import { openChain } from './open-chain.js'

export interface CompareOptions extends PlaceOptions {
  /** Default: the backup before `to`. */
  readonly from?: Date | string | undefined
  /** Default: the newest. */
  readonly to?: Date | string | undefined
}

/**
 * The differences between two backups, in path order, from their states alone: `previous` is the entry of the older one.
 * Returns the dates of the two.
 */
export async function* compareBackups(
  key: string,
  options: CompareOptions = {}
): AsyncGenerator<Change, { readonly from: string; readonly to: string }, undefined> {
  const chain = await openChain(key, options)
  const to = chain.at(await parseAt(options.to))
  const before = chain.backups.findLast(({ date }) => date < to.date) ?? to
  const from = options.from === undefined ? before : chain.at(await parseAt(options.from))
  for await (const item of pipe(chain.entries(to.date), diff(chain.entries(from.date)))) {
    const change = settled(item.change, item, item.previous)
    if (change !== 'unchanged') yield { ...item, change }
  }
  return { from: from.date, to: to.date }
}

/** What an entry of a state is, compared with that of an earlier state. */
export function changeOf(entry: StateEntry, previous: StateEntry): ChangeKind {
  return settled(compareEntry(entry, previous), entry, previous)
}

/** Two states know both digests: no content is in doubt. */
function settled(change: ChangeKind, entry: Change | StateEntry, previous: StateEntry | undefined): ChangeKind {
  const digests = entry as ContentDigests
  return change !== 'updated' || previous === undefined || !hasDigest(digests)
    ? change
    : kindOfRead(entry, previous, digests)
}
