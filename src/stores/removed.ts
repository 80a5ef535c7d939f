import { parseDate } from '../format/dates.js'
import { parseRemovedName, removedName } from '../format/names.js'
import type { Store, StoredName, StoreOptions } from '../types.js'

/** A backup that was removed and can come back: the bytes of its state, under another name. */
export interface RemovedBackup extends StoredName {
  readonly date: string
  /** The name that its state had. */
  readonly state: string
  readonly removedAtMs: number
}

/** The removed backups of a key among the names of a store, those of each date in the order of their removal. */
export function findRemoved(stored: readonly StoredName[], key: string): RemovedBackup[] {
  const found: RemovedBackup[] = []
  for (const { name, sizeBytes } of stored) {
    const parsed = parseRemovedName(name)
    if (parsed?.key !== key) continue
    const { date, state, at } = parsed
    found.push({ name, sizeBytes, date, state, removedAtMs: parseDate(at) })
  }
  return found.sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : a.removedAtMs - b.removedAtMs))
}

/**
 * Removes the state of a backup so that it can come back: its bytes first get the other name. Whatever fails or crashes
 * between, the state is under one name at least. `store` may have a cache, which follows.
 */
export async function removeState(store: Store, state: string, at: string, options: StoreOptions): Promise<void> {
  await store.put(removedName(state, at), store.get(state, undefined, options), options)
  await store.delete(state, options)
}
