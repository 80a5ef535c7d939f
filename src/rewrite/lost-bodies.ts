import { batchesOf, isBatch } from '../flow/batches.js'
import type { Chain } from '../stores/chain.js'
import { namesOf } from '../stores/merged-places.js'
import type { MergedEntry, PlaceName } from '../types.js'
import { isErased, type Matches } from './erase-entries.js'

/** Names a body. */
export function bodyId({ date, in: kind, offset }: PlaceName): string {
  return `${date} ${kind} ${offset}`
}

/**
 * The bodies by which the entries of a backup that are to be erased are known, and no other entry is: later backups will
 * not find them in it.
 * Reads the state twice, once if nothing of it is to be erased. Memory: one text for each such body.
 */
export async function findLostBodies(chain: Chain, date: string, matches: Matches): Promise<ReadonlySet<string>> {
  const lost = new Set<string>()
  await eachEntry(chain, date, entry => {
    if (isErased(entry, matches)) for (const name of namesOf(entry)) lost.add(bodyId(name))
  })
  if (lost.size === 0) return lost
  await eachEntry(chain, date, entry => {
    if (!isErased(entry, matches)) for (const name of namesOf(entry)) lost.delete(bodyId(name))
  })
  return lost
}

/** The entries of a backup as they were written. */
export async function eachEntry(chain: Chain, date: string, look: (entry: MergedEntry) => void): Promise<void> {
  for await (const batch of batchesOf<MergedEntry>(chain.writtenEntries(date))) {
    for (const entry of isBatch(batch) ? batch : [batch]) look(entry)
  }
}
