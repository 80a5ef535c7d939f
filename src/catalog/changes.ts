import { settleChange } from '../change/compare.js'
import { pipe } from '../interop/pipe.js'
import { parseAt } from '../places/at.js'
import type { PlaceOptions } from '../places/options.js'
import { diff } from '../stages/diff.js'
import type { Change, StateEntry } from '../types.js'
import { openChain } from './open-chain.js'

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
