import { PART_BYTES } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { parseArtifactName, parseSegmentName } from '../../format/names.js'
import type { ByteRange, Source, Store, StoredName, StoreOptions } from '../../types.js'
import { checkSource, isNotFound, isRetained, notFound } from '../stored-name.js'
import { wrapStore } from '../wrap-store.js'
import { KnownSizes } from './known-sizes.js'
import { mergeLists, toStoredName } from './merge-lists.js'
import { putAll } from './mirror-put.js'
import { placesOf } from './tiered.js'

/** A call of one store of a mirror that failed while the mirror went on. */
export interface Behind {
  readonly store: Store
  readonly call: 'put' | 'get' | 'list' | 'create' | 'retain' | 'clean'
  /** The name, prefix or key. */
  readonly name: string
  readonly error: unknown
}

/** Options of `mirror`. */
export interface MirrorOptions {
  /** How many stores have to store a name. Default: all. */
  readonly quorum?: number | undefined
  /**
   * What a slow store does to the others when `bufferBytes` wait for it. `wait`, the default: it slows them. `drop`: its
   * `put` is ended, unless the quorum needs it.
   */
  readonly behind?: 'wait' | 'drop' | undefined
  /** Bytes of one `put` that wait for the slowest store, at most. Default: 8 MiB (`PART_BYTES`). */
  readonly bufferBytes?: number | undefined
  /** Told what failed in one store while the mirror went on: copy the chain to that store later. */
  readonly onBehind?: ((behind: Behind) => void) | undefined
}

/**
 * Several stores as one: each source is read once and stored in all of them, each at its own pace.
 *
 * `put` succeeds when `quorum` stores have stored. A store that misses an artifact of a backup does not get its state: no
 * store has a state without its archives. `get` reads from the first store that has the name, and goes on in the next
 * one, at the byte where it stopped, if a store fails or ends early. `list` is what all stores have together; so many may
 * fail that every name of a successful `put` is still in one that answers: `quorum` less one. `delete` succeeds when the
 * name is gone in all stores, so a name that is deleted does not come back with a store that was away. `create` asks the
 * first store and then the others: it succeeds if the name is free in all that answer. The first store may fail if the
 * quorum is more than half of the stores, and all can `create`. `retain` is asked of all that can; a store that retains a
 * name keeps the others from replacing or deleting it.
 *
 * Its id is that of the first store. It has `create` if the first one has it, and `retain` and `clean` if any has.
 * Memory: `bufferBytes` and one chunk for each `put`, however many stores there are, and the names that were listed.
 *
 * @throws TypeError, RangeError at the call for fewer than one store, or a quorum that cannot be reached.
 */
export function mirror(stores: readonly Store[], options: MirrorOptions = {}): Store {
  const made = new Mirror(stores, options)
  const [first] = stores
  const hasAny = (call: 'retain' | 'clean') => stores.some(store => store[call] !== undefined)
  return wrapStore(first!, {
    ...placesOf(stores),
    put: (name, source, options) => made.put(name, source, options),
    get: (name, range, options) => made.get(name, range, options),
    list: (prefix, options) => made.list(prefix, options),
    delete: (name, options) => made.delete(name, options),
    create: first!.create && ((name, bytes, options) => made.create(name, bytes, options)),
    retain: hasAny('retain') ? (name, untilMs, options) => made.retain(name, untilMs, options) : undefined,
    clean: hasAny('clean') ? key => made.clean(key) : undefined
  })
}

class Mirror {
  readonly #sizes: readonly KnownSizes[]
  readonly #quorum: number
  /** Backups of which a store misses an artifact: key and date. */
  readonly #incomplete = new Map<Store, Set<string>>()

  constructor(
    readonly stores: readonly Store[],
    readonly options: MirrorOptions
  ) {
    if (!Array.isArray(stores) || stores.length === 0) throw new TypeError('mirror: an array of stores is expected')
    const { quorum = stores.length, behind = 'wait', bufferBytes = PART_BYTES } = options
    if (!Number.isSafeInteger(quorum) || quorum < 1 || quorum > stores.length) {
      throw new RangeError(`mirror: the quorum is 1 to ${stores.length} stores, not ${quorum}`)
    }
    if (!['wait', 'drop'].includes(behind)) throw new TypeError(`mirror: behind is 'wait' or 'drop', not ${behind}`)
    if (!(bufferBytes > 0)) throw new RangeError(`mirror: not a number of bytes above 0: ${bufferBytes}`)
    this.#quorum = quorum
    this.#sizes = stores.map(store => new KnownSizes(store))
  }

  async put(name: string, source: Source<Uint8Array>, { signal }: StoreOptions = {}): Promise<void> {
    checkSource(source)
    signal?.throwIfAborted()
    for (const sizes of this.#sizes) sizes.forget(name)
    const { behind, bufferBytes = PART_BYTES } = this.options
    const failed = await putAll(this.stores, name, source, {
      signal,
      quorum: this.#quorum,
      drops: behind === 'drop',
      bufferBytes,
      refusal: store => this.#refusal(store, name)
    })
    for (const { store, error } of failed) {
      this.#markIncomplete(store, name)
      this.#report(store, 'put', name, error)
    }
  }

  async *get(
    name: string,
    range: ByteRange = { start: 0 },
    options: StoreOptions = {}
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { start, end } = range
    let given = 0
    let missing = 0
    let failure: { readonly error: unknown } | undefined
    let cut: KnownSizes | undefined
    for (const sizes of this.#sizes) {
      try {
        if (cut !== undefined) await checkSameSize(name, cut, sizes, options)
        for await (const chunk of sizes.store.get(name, { start: start + given, end }, options)) {
          given += chunk.length
          yield chunk
        }
        if (await sizes.isWhole(name, range, given, options)) return
        throw new BackupError('IBT_STORE_FAILED', `The store ended ${name} early`, { path: name })
      } catch (error) {
        options.signal?.throwIfAborted()
        if (given > 0) cut ??= sizes
        if (isNotFound(error)) missing++
        else {
          failure ??= { error }
          this.#report(sizes.store, 'get', name, error)
        }
      }
    }
    // So many stores do not have what the quorum has stored.
    if (failure !== undefined && missing <= this.stores.length - this.#quorum) throw failure.error
    throw notFound(name)
  }

  async *list(prefix = '', options: StoreOptions = {}): AsyncGenerator<StoredName, void, undefined> {
    let failures = 0
    const onFail = (index: number, error: unknown) => {
      options.signal?.throwIfAborted()
      if (++failures >= this.#quorum) throw error
      this.#report(this.stores[index]!, 'list', prefix, error)
    }
    const lists = this.#sizes.map(sizes => sizes.list(prefix, options))
    for await (const listed of mergeLists(lists, onFail)) yield toStoredName(listed)
  }

  async delete(name: string, options: StoreOptions = {}): Promise<void> {
    for (const sizes of this.#sizes) sizes.forget(name)
    let failure: { readonly error: unknown } | undefined
    for (const store of this.#retainingFirst()) {
      try {
        await store.delete(name, options)
      } catch (error) {
        options.signal?.throwIfAborted()
        // The others keep it, too.
        if (isRetained(error)) throw error
        failure ??= { error }
      }
    }
    if (failure !== undefined) throw failure.error
  }

  async create(name: string, bytes: Uint8Array, options: StoreOptions = {}): Promise<boolean> {
    const [first, ...others] = this.stores
    const made: Store[] = []
    const make = async (store: Store) => {
      const isFree = await store.create!(name, bytes, options)
      if (isFree) made.push(store)
      return isFree
    }
    const able = others.filter(({ create }) => create !== undefined)
    const unable = others.filter(({ create }) => create === undefined)
    try {
      if (!(await make(first!))) return false
    } catch (error) {
      options.signal?.throwIfAborted()
      // Of two that create it, each in as many stores as the quorum, one meets the other: if these are more than half.
      const isMost = 2 * this.#quorum > this.stores.length
      if (unable.length > 0 || !isMost || this.#quorum === this.stores.length) throw error
      this.#report(first!, 'create', name, error)
    }
    const wereFree = await this.#enough('create', name, able, this.#quorum - made.length - unable.length, make)
    if (wereFree.includes(false)) {
      for (const store of made) await store.delete(name, options)
      return false
    }
    // What cannot tell whether the name was free is asked last: nothing of it has to be taken back.
    await this.#enough('put', name, unable, this.#quorum - made.length, store => store.put(name, [bytes], options))
    return true
  }

  async retain(name: string, untilMs: number, options: StoreOptions = {}): Promise<void> {
    const able = this.stores.filter(({ retain }) => retain !== undefined)
    const outcomes = await Promise.allSettled(able.map(async store => store.retain!(name, untilMs, options)))
    const errors = outcomes.map(outcome => (outcome.status === 'rejected' ? outcome.reason : undefined))
    const wrong = errors.find(error => error !== undefined && !isNotFound(error))
    if (wrong !== undefined) throw wrong
    if (errors.every(isNotFound)) throw notFound(name)
    for (const [i, error] of errors.entries()) if (error !== undefined) this.#report(able[i]!, 'retain', name, error)
  }

  async clean(key: string): Promise<number> {
    const able = this.stores.filter(({ clean }) => clean !== undefined)
    const removed = await this.#enough('clean', key, able, 1, store => store.clean!(key))
    return removed.reduce((sum, count) => sum + count, 0)
  }

  /** Calls several stores, and reports those that fail. @throws the first error if fewer than `count` succeed */
  async #enough<T>(
    call: Behind['call'],
    name: string,
    stores: readonly Store[],
    count: number,
    work: (store: Store) => Promise<T>
  ): Promise<T[]> {
    const outcomes = await Promise.allSettled(stores.map(work))
    const values = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') continue
      if (values.length < count) throw outcome.reason
      this.#report(stores[i]!, call, name, outcome.reason)
    }
    return values
  }

  #retainingFirst(): readonly Store[] {
    const retains = (store: Store) => store.retain !== undefined
    return [...this.stores.filter(retains), ...this.stores.filter(store => !retains(store))]
  }

  #refusal(store: Store, name: string): unknown {
    const backup = backupOf(name)
    if (backup === undefined || !this.#incomplete.get(store)?.has(backup) || !isState(name)) return undefined
    return new BackupError('IBT_STORE_FAILED', `The store misses an artifact of the backup of ${name}`, { path: name })
  }

  #markIncomplete(store: Store, name: string): void {
    const backup = backupOf(name)
    if (backup === undefined) return
    const backups = this.#incomplete.get(store) ?? new Set()
    this.#incomplete.set(store, backups.add(backup))
  }

  #report(store: Store, call: Behind['call'], name: string, error: unknown): void {
    this.options.onBehind?.({ store, call, name, error })
  }
}

/** A read goes on in another store only if that has the same. @throws BackupError IBT_STORE_FAILED */
async function checkSameSize(name: string, from: KnownSizes, to: KnownSizes, options: StoreOptions): Promise<void> {
  const [wanted, found] = [from.known(name), await to.sizeOf(name, options)]
  if (wanted === undefined || found === undefined || wanted === found) return
  const message = `The stores have ${name} with ${wanted} and with ${found} bytes`
  throw new BackupError('IBT_STORE_FAILED', message, { path: name })
}

function backupOf(name: string): string | undefined {
  const parsed = parseArtifactName(name) ?? parseSegmentName(name)
  // A merged backup is complete with its segments, which have dates of their own.
  return parsed && `${parsed.key} ${parsed.asOf ?? parsed.date}`
}

function isState(name: string): boolean {
  return parseArtifactName(name)?.kind === 'state' || parseSegmentName(name) !== undefined
}
