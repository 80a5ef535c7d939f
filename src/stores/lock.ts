import { BackupError, isBackupError } from '../errors.js'
import { isLockName, lockName } from '../format/names.js'
import type { Store, StoreOptions } from '../types.js'
import { decodeHolder, encodeHolder, isGone, type LockHolder, printHolder, thisProcess } from './lock-holder.js'

/** A lock that is held. */
export interface Lock {
  /** Gives it back, once. A lock that somebody else holds by now stays. */
  release(): Promise<void>
}

/** Bytes of a lock's file that are read. */
const HOLDER_BYTES_MAX = 4096
/** How often a lock that goes while it is looked at is tried again. */
const ATTEMPTS = 10

/**
 * Locks a key of a store: `KEY.lock` says who holds it. One that a process of this host left when it died is taken over.
 * A store without `create` is only asked, not made to decide: two runs at the same moment may both be let in.
 *
 * @throws BackupError IBT_LOCKED, with the holder and the name to delete if it is gone for good.
 */
export async function acquireLock(store: Store, key: string, options: StoreOptions = {}): Promise<Lock> {
  options.signal?.throwIfAborted()
  const name = lockName(key)
  const holder = await thisProcess()
  await take(store, name, holder, options)
  const lock = lockOf(store, name, holder)
  if (options.signal?.aborted) {
    await lock.release()
    throw options.signal.reason
  }
  return lock
}

/**
 * Removes what take-overs of a key's lock have left when their process died. For the holder of the lock: nobody else
 * needs them then.
 */
export async function cleanTakeOvers(store: Store, key: string, options: StoreOptions = {}): Promise<void> {
  const own = lockName(key)
  const names: string[] = []
  for await (const { name } of store.list(`${own}.`, options)) if (isLockName(name, key)) names.push(name)
  for (const name of names) {
    const found = await readLock(store, name, options)
    if (found?.holder !== undefined && (await isGone(found.holder))) await store.delete(name, options)
  }
}

function lockOf(store: Store, name: string, holder: LockHolder): Lock {
  let released: Promise<void> | undefined
  const release = async () => {
    const found = await readLock(store, name)
    if (found?.holder?.token === holder.token) await store.delete(name)
  }
  return { release: () => (released ??= release()) }
}

async function take(store: Store, name: string, holder: LockHolder, options: StoreOptions): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await claim(store, name, holder, options)) return
    const found = await readLock(store, name, options)
    if (found === undefined) continue
    if (found.holder === undefined || !(await isGone(found.holder))) throw locked(name, found.holder)
    if (await takeOver(store, name, found.holder, holder, options)) return
  }
  throw locked(name, undefined)
}

/**
 * Replaces a lock whose holder is gone. Of several takers, one gets the lock on that very lock, which is named by its
 * token; then it looks again, since an earlier taker may be done. If that taker died, its lock is taken over likewise.
 */
async function takeOver(
  store: Store,
  name: string,
  gone: LockHolder,
  holder: LockHolder,
  options: StoreOptions
): Promise<boolean> {
  const gate = `${name}.${gone.token.slice(0, 16)}`
  await take(store, gate, holder, options)
  try {
    const found = await readLock(store, name, options)
    if (found?.holder?.token !== gone.token) return false
    await store.put(name, [encodeHolder(holder)], options)
    return true
  } finally {
    await lockOf(store, gate, holder).release()
  }
}

/** Takes a lock that nobody has. */
async function claim(store: Store, name: string, holder: LockHolder, options: StoreOptions): Promise<boolean> {
  if (store.create !== undefined) return store.create(name, encodeHolder(holder), options)
  if ((await readLock(store, name, options)) !== undefined) return false
  await store.put(name, [encodeHolder(holder)], options)
  const found = await readLock(store, name, options)
  return found?.holder?.token === holder.token
}

/** Undefined if there is no such lock; without a holder if its file says none. */
async function readLock(
  store: Store,
  name: string,
  options?: StoreOptions
): Promise<{ readonly holder: LockHolder | undefined } | undefined> {
  for await (const stored of store.list(name, options)) {
    if (stored.name !== name) continue
    const bytes = await readIfThere(store, name, options)
    return bytes && { holder: decodeHolder(bytes) }
  }
  return undefined
}

/** It may have been released since it was listed. */
async function readIfThere(store: Store, name: string, options?: StoreOptions): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of store.get(name, { start: 0, end: HOLDER_BYTES_MAX }, options)) chunks.push(chunk)
  } catch (error) {
    if (isBackupError(error) && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return undefined
    throw error
  }
  return Buffer.concat(chunks)
}

function locked(name: string, holder: LockHolder | undefined): BackupError {
  const by = holder === undefined ? 'somebody whom its file does not name' : printHolder(holder)
  const message = `${name} is held by ${by}; if that is gone for good, delete ${name} from the store`
  return new BackupError('IBT_LOCKED', message, { path: name })
}
