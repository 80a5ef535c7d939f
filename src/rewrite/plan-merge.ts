import { BackupError } from '../errors.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import type { Chain } from '../stores/chain.js'
import { backupLinks, orderIn } from '../stores/merged-places.js'
import type { ChainLink, StateClosing, StateEntry, StateHeader } from '../types.js'
import { type Erasing, eraseEntries } from './erase-entries.js'

/** What a merge is going to do. */
export interface MergePlan {
  /** The date that is merged. */
  readonly date: string
  /** Of a fold: the date whose bodies, and earlier ones, stay. */
  readonly after: string | undefined
  /** The state that is merged: both ends of it. */
  readonly header: StateHeader
  readonly closing: StateClosing
  /** Whether the backup is as the merge would make it: nothing is to be done. */
  readonly isMerged: boolean
  /** The links that stay. */
  readonly links: readonly ChainLink[]
  /** Whether a place is of a date that stays. */
  readonly stays: (date: string) => boolean
}

/**
 * Finds out what a merge of a date would do, from both ends of its state.
 *
 * @throws BackupError IBT_NO_BACKUP if the backup of `date` does not build on that of `after`.
 */
export async function planMerge(chain: Chain, date: string, after: string | undefined): Promise<MergePlan> {
  const { header, closing } = await chain.ends(date)
  const orderOf = orderIn(header.chain)
  const stays = (found: string) => after !== undefined && chain.asOf(orderOf(found)) <= after
  const links = header.chain.filter(link => stays(link.date))
  const folded = backupLinks(header.chain.filter(link => !stays(link.date)))
  if (after !== undefined && links.every(link => orderOf(link.date) !== after)) {
    const why =
      backupLinks(header.chain).length === 1 ? 'is a full by itself' : `does not build on the backup of ${after}`
    const message = `The backup of ${date} of ${chain.key} ${why}`
    throw new BackupError('IBT_NO_BACKUP', message, { path: chain.key })
  }
  return { date, after, header, closing, isMerged: folded.length === 1, links, stays }
}

/**
 * Bytes of bodies that a merge writes, before compression: contents that become whole, and at most the deltas that become
 * one. Reads the state once. Memory: one table entry for each hard-link group.
 */
export async function countBytes(chain: Chain, { date, stays }: MergePlan, erasing?: Erasing): Promise<number> {
  const links = new Set<number>()
  let bytes = 0
  for await (const batch of batchesOf(eraseEntries(chain.entries(date), erasing))) {
    for (const entry of isBatch(batch) ? batch : [batch]) {
      if (entry.link !== undefined && links.has(entry.link)) continue
      if (entry.link !== undefined) links.add(entry.link)
      bytes += bodyBytes(entry, stays)
    }
  }
  return bytes
}

function bodyBytes({ places = [], sizeBytes = 0 }: StateEntry, stays: (date: string) => boolean): number {
  const folded = places.filter(place => !stays(place.date))
  if (folded.length === places.length) return sizeBytes
  return folded.reduce((sum, place) => sum + (place.sizeBytes ?? 0), 0)
}
