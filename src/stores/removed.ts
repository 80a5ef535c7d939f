import { BackupError } from '../errors.js'
import { parseDate } from '../format/dates.js'
import { parseRemovedName, removedName } from '../format/names.js'
import type { Source, Store, StoredName, StoreOptions } from '../types.js'
import { isRetained } from './stored-name.js'
import { wrapStore } from './wrap-store.js'

/** A backup that was removed and can come back: the bytes of its state, under another name. */
export interface RemovedBackup extends StoredName {
  readonly date: string
  /** The date that users ask for, if it is another. */
  readonly asOf?: string | undefined
  /** The name that its state had. */
  readonly state: string
  readonly removedAtMs: number
}

/** The removed backups of a key among the names of a store, those of each date in the order of their removal. */
export function findRemoved(stored: readonly StoredName[], key: string): RemovedBackup[] {
  const found: RemovedBackup[] = []
  for (const listed of stored) {
    const parsed = parseRemovedName(listed.name)
    if (parsed?.key !== key) continue
    const { date, asOf, state, at } = parsed
    const removedAtMs = parseDate(at)
    found.push({ ...listed, date, ...(asOf !== undefined && { asOf }), state, removedAtMs })
  }
  return found.sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : a.removedAtMs - b.removedAtMs))
}

/**
 * Removes the state of a backup so that it can come back: its bytes first get the other name. Whatever fails or crashes
 * between, the state is under one name at least.
 */
export async function removeState(store: Store, state: StoredName, at: string, options: StoreOptions): Promise<void> {
  const copy = removedName(state.name, at)
  await copyWhole(store, state, copy, options)
  try {
    await store.delete(state.name, options)
  } catch (error) {
    // The store retains it: then it is not removed.
    if (isRetained(error)) await store.delete(copy, options)
    throw error
  }
}

/** Brings back the state of a removed backup, byte for byte, and deletes the copies of it. */
export async function restoreState(
  store: Store,
  copies: readonly RemovedBackup[],
  options: StoreOptions
): Promise<void> {
  const newest = copies.at(-1)!
  await copyWhole(store, newest, newest.state, options)
  for (const { name } of copies) await store.delete(name, options)
}

/** @throws BackupError IBT_STORE_FAILED if the store gives other bytes than it lists: then nothing is published */
async function copyWhole(store: Store, from: StoredName, to: string, options: StoreOptions): Promise<void> {
  await store.put(to, counted(store.get(from.name, undefined, options), from), options)
}

async function* counted(source: Source<Uint8Array>, { name, sizeBytes }: StoredName) {
  let found = 0
  for await (const chunk of source) {
    found += chunk.length
    yield chunk
  }
  if (found === sizeBytes) return
  const message = `The store lists ${name} with ${sizeBytes} bytes and gives ${found}`
  throw new BackupError('IBT_STORE_FAILED', message, { path: name })
}

/** What the store would list and give if the states of removed backups were back. */
export function withRemoved(
  store: Store,
  stored: readonly StoredName[],
  removed: readonly RemovedBackup[]
): { readonly store: Store; readonly stored: readonly StoredName[] } {
  const there = new Set(stored.map(({ name }) => name))
  // Of several copies, the last one counts.
  const back = new Map(removed.filter(({ state }) => !there.has(state)).map(copy => [copy.state, copy]))
  const states = [...back].map(([name, { sizeBytes }]) => ({ name, sizeBytes }))
  return {
    store: wrapStore(store, {
      get: (name, range, options) => store.get(back.get(name)?.name ?? name, range, options)
    }),
    stored: [...stored, ...states]
  }
}
