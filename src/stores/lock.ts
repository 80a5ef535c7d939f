import { setTimeout } from 'node:timers/promises'
import { LOCK_POLL_MS, LOCK_RENEW_MS, WITHDRAW_MS } from '../constants.js'
import { BackupError, isBackupError } from '../errors.js'
import { untilAbort } from '../flow/abortable.js'
import { isLockName, lockName } from '../format/names.js'
import type { Store, StoredName, StoreOptions } from '../types.js'
import {
  decodeHolder,
  encodeHolder,
  isGone,
  type LockHolder,
  printHolder,
  renewed,
  thisProcess
} from './lock-holder.js'
import { isNotFound } from './stored-name.js'

/** A lock that this run owns. It is renewed every `LOCK_RENEW_MS` until it is released. */
export interface Lock {
  /** Checks that the run still owns it. @throws BackupError IBT_LOCKED if somebody deleted it or took it over */
  check(options?: StoreOptions): Promise<void>
  /** Gives it back, once. A lock that somebody else holds by now stays. @throws what the store throws */
  release(): Promise<void>
}

/** Options of `acquireLock`. */
export interface LockOptions extends StoreOptions {
  /** Milliseconds to wait for a lock that somebody else holds. Default: none. */
  readonly waitMs?: number | undefined
}

/** Bytes of a lock's file that are read. */
const HOLDER_BYTES_MAX = 4096
/** How often a run tries again for a lock that disappears while it is read. */
const ATTEMPTS = 10

/** Tokens of locks that this process has released: a file that could not be deleted holds nothing. */
const released = new Set<string>()

/**
 * Locks a key of a store: `KEY.lock` says who holds it. The lock of a holder that is known to be gone is taken over.
 * A store without `create` is only asked, not made to decide: two runs at the same moment may both be let in.
 *
 * @throws BackupError IBT_LOCKED, with the holder and the name to delete if it is gone for good.
 */
export async function acquireLock(store: Store, key: string, options: LockOptions = {}): Promise<Lock> {
  const { signal, waitMs = 0 } = options
  signal?.throwIfAborted()
  const name = lockName(key)
  const holder = await thisProcess()
  const lock = new HeldLock(store, name, holder)
  try {
    const wasTakenOver = await takeWithin(waitMs, () => take(store, name, holder, { signal }), signal)
    signal?.throwIfAborted()
    // Whoever died while it took the lock over left its holder gone.
    if (wasTakenOver) await removeTakeOvers(store, key, { signal })
    return lock
  } catch (error) {
    // A call that was rejected or aborted may have stored the lock, or the one on taking it over.
    released.add(holder.token)
    await lock.release().catch(() => {})
    throw error
  }
}

/** Releases a lock at the end of a run. A release that fails is reported and does not change the result of the run. */
export async function releaseLock(
  lock: Lock | undefined,
  onError: ((error: BackupError) => void) | undefined
): Promise<void> {
  await lock?.release().catch(cause => {
    try {
      onError?.(
        isBackupError(cause) ? cause : new BackupError('IBT_STORE_FAILED', 'Cannot release the lock', { cause })
      )
    } catch {
      // The observer cannot end a run that has ended.
    }
  })
}

/**
 * Removes what take-overs of a key's lock have left when their process died, of what the store lists. For the holder of
 * the lock: nobody else needs them then.
 */
export async function cleanTakeOvers(
  store: Store,
  key: string,
  stored: readonly StoredName[],
  options: StoreOptions = {}
): Promise<void> {
  const own = lockName(key)
  for (const { name } of stored) {
    if (name === own || !isLockName(name, key)) continue
    const found = await readLock(store, name, options)
    if (found?.holder !== undefined && (await isFree(found.holder))) await store.delete(name, options)
  }
}

/** As `cleanTakeOvers`. What cannot be removed stays until the next backup: it holds nothing. */
async function removeTakeOvers(store: Store, key: string, options: StoreOptions): Promise<void> {
  const { signal } = options
  try {
    const stored: StoredName[] = []
    for await (const one of store.list(`${lockName(key)}.`, options)) stored.push(one)
    await cleanTakeOvers(store, key, stored, options)
  } catch {
    signal?.throwIfAborted()
  }
}

class HeldLock implements Lock {
  readonly #timer: NodeJS.Timeout
  #renewing: Promise<void> | undefined
  #released: Promise<void> | undefined

  constructor(
    readonly store: Store,
    readonly name: string,
    readonly holder: LockHolder
  ) {
    this.#timer = setInterval(() => this.#renew(), LOCK_RENEW_MS)
    this.#timer.unref()
  }

  async check({ signal }: StoreOptions = {}): Promise<void> {
    if (await this.#isOurs(signal)) return
    const message = `This run has lost its lock ${this.name}: it was deleted or taken over while the run was stopped`
    throw new BackupError('IBT_LOCKED', message, { path: this.name })
  }

  release(): Promise<void> {
    this.#released ??= this.#release()
    return this.#released
  }

  async #release(): Promise<void> {
    clearInterval(this.#timer)
    // A store that does not answer does not keep a run from ending.
    const late = new AbortController()
    const timer = globalThis.setTimeout(() => late.abort(unanswered(this.name)), WITHDRAW_MS)
    try {
      await untilAbort(this.#delete(late.signal), late.signal)
    } catch (error) {
      released.add(this.holder.token)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #delete(signal: AbortSignal): Promise<void> {
    await this.#renewing
    if (await this.#isOurs(signal)) await this.store.delete(this.name, { signal })
  }

  /** A renewal that fails is tried again at the next turn; one that finds another holder leaves it alone. */
  #renew(): void {
    if (this.#renewing !== undefined) return
    const renew = async () => {
      if (await this.#isOurs()) await this.store.put(this.name, [encodeHolder(renewed(this.holder))])
    }
    this.#renewing = renew()
      .catch(() => {})
      .finally(() => {
        this.#renewing = undefined
      })
  }

  async #isOurs(signal?: AbortSignal): Promise<boolean> {
    const found = await readLock(this.store, this.name, { signal })
    return found?.holder?.token === this.holder.token
  }
}

function unanswered(name: string): BackupError {
  return new BackupError('IBT_STORE_FAILED', `The store did not answer when ${name} was to be deleted`, { path: name })
}

async function takeWithin<T>(waitMs: number, take: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const until = Date.now() + waitMs
  for (;;) {
    try {
      return await take()
    } catch (error) {
      const left = until - Date.now()
      if (!isBackupError(error) || error.code !== 'IBT_LOCKED' || left <= 0) throw error
      await setTimeout(Math.min(left, LOCK_POLL_MS), undefined, { signal }).catch(() => signal?.throwIfAborted())
    }
  }
}

/** Resolves to whether somebody else's was taken over. */
async function take(store: Store, name: string, holder: LockHolder, options: StoreOptions): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await claim(store, name, holder, options)) return false
    const found = await readLock(store, name, options)
    if (found === undefined) continue
    if (found.holder === undefined || !(await isFree(found.holder))) throw locked(name, found.holder)
    if (await takeOver(store, name, found.holder, holder, options)) return true
  }
  throw locked(name, undefined)
}

async function isFree(holder: LockHolder): Promise<boolean> {
  return released.has(holder.token) || isGone(holder)
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
    const found = await readLock(store, gate)
    if (found?.holder?.token === holder.token) await store.delete(gate)
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
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of store.get(name, { start: 0, end: HOLDER_BYTES_MAX }, options)) chunks.push(chunk)
  } catch (error) {
    if (isNotFound(error) || !(await isListed(store, name, options))) return undefined
    throw error
  }
  return { holder: decodeHolder(Buffer.concat(chunks)) }
}

/** For a store that does not say by a code that it does not have a name. */
async function isListed(store: Store, name: string, { signal }: StoreOptions = {}): Promise<boolean> {
  signal?.throwIfAborted()
  for await (const stored of store.list(name, { signal })) if (stored.name === name) return true
  return false
}

function locked(name: string, holder: LockHolder | undefined): BackupError {
  const by = holder === undefined ? 'somebody whom its file does not name' : printHolder(holder)
  const message = `${name} is held by ${by}; if that run is gone for good, delete ${name} from the store`
  return new BackupError('IBT_LOCKED', message, { path: name })
}
