import { createHash } from 'node:crypto'
import { Channel } from '../flow/channel.js'
import { parseArtifactName } from '../format/names.js'
import type { ByteRange, Source, Store, StoreOptions } from '../types.js'

/** A cached copy is the artifact with its SHA-256 behind it. */
const DIGEST_BYTES = 32

/** Options of `cachedStore`. */
export interface CacheOptions {
  /** Whether what is missing in the cache is fetched into it, whole, when some of it is read. Default: true. */
  readonly fills?: boolean | undefined
  /**
   * The copies are wanted for good: one is there before the store has the whole artifact, a put whose copy fails fails,
   * and a copy goes only when the store has deleted its own. Default: false.
   */
  readonly isKept?: boolean | undefined
}

/**
 * A store with a cache of its states and sigvaults: they are read from the cache, and fetched again when they are
 * missing.
 * A cached artifact counts only if the store lists it with the same size and if its bytes have the SHA-256 that was
 * written behind them. Both are looked at once, before its first byte is read: the size in the latest `list` that went
 * through this store and had the name, else in one of its own. A cache that fails is done without.
 * Memory: one chunk, and the names of states and sigvaults that were listed.
 */
export function cachedStore(store: Store, cache: Store, options: CacheOptions = {}): Store {
  const { fills = true, isKept = false } = options
  const found = new Map<string, Promise<number | undefined>>()
  const listed = new Map<string, number>()
  return {
    id: store.id,
    places: [...(store.places ?? []), ...(cache.places ?? [])],
    put: (name, source, options) =>
      isCached(name) ? putBoth(name, source, options) : store.put(name, source, options),
    async *get(name: string, { start, end }: ByteRange = { start: 0 }, options?: StoreOptions) {
      const sizeBytes = isCached(name) ? await sizeInCache(name, options) : undefined
      let given = 0
      try {
        if (sizeBytes !== undefined) {
          for await (const chunk of cache.get(name, clamp({ start, end }, sizeBytes), options)) {
            given += chunk.length
            yield chunk
          }
          return
        }
      } catch {
        // Another run may have pruned the cache since. What has been given was proven.
        options?.signal?.throwIfAborted()
        found.delete(name)
      }
      yield* store.get(name, { start: start + given, end }, options)
    },
    async *list(prefix, options) {
      for await (const stored of store.list(prefix, options)) {
        if (isCached(stored.name)) listed.set(stored.name, stored.sizeBytes)
        yield stored
      }
    },
    async delete(name, options) {
      forget(name)
      if (!isKept) await cache.delete(name, options).catch(() => {})
      await store.delete(name, options)
      if (isKept) await cache.delete(name, options).catch(() => {})
    },
    ...(store.create && { create: store.create.bind(store) }),
    ...(store.retain && { retain: store.retain.bind(store) }),
    ...(store.thaw && { thaw: store.thaw.bind(store) }),
    async clean(key) {
      const cleaned = (await store.clean?.(key)) ?? 0
      return cleaned + ((await cache.clean?.(key).catch(() => 0)) ?? 0)
    }
  }

  function forget(name: string): void {
    found.delete(name)
    listed.delete(name)
  }

  /** A cache has its copy when the store has taken the artifact; one that is kept, before that. */
  async function putBoth(name: string, source: Source<Uint8Array>, options?: StoreOptions): Promise<void> {
    forget(name)
    const copy = new Channel<Uint8Array>()
    const cached = cache.put(name, withDigest(copy), options)
    cached.catch(error => copy.fail(error))
    async function* tee() {
      for await (const chunk of source) {
        const copied = copy.push(chunk)
        await (isKept ? copied : copied.catch(() => {}))
        yield chunk
      }
      if (!isKept) return
      copy.end()
      await cached
    }
    try {
      await store.put(name, tee(), options)
      copy.end()
    } catch (error) {
      copy.fail(error)
      throw error
    } finally {
      await Promise.allSettled([cached])
    }
  }

  /** The size of an artifact that the cache has whole, if need be by now. */
  function sizeInCache(name: string, options?: StoreOptions): Promise<number | undefined> {
    let sizeBytes = found.get(name)
    if (sizeBytes === undefined) {
      sizeBytes = fetch(name, options)
      found.set(name, sizeBytes)
      sizeBytes.catch(() => found.delete(name))
    }
    return sizeBytes
  }

  async function fetch(name: string, options?: StoreOptions): Promise<number | undefined> {
    const sizeBytes = listed.get(name) ?? (await sizeIn(store, name, options))
    if (sizeBytes === undefined || (await isWhole(cache, name, sizeBytes, options))) return sizeBytes
    options?.signal?.throwIfAborted()
    if (!fills) return undefined
    return cache.put(name, withDigest(store.get(name, undefined, options)), options).then(
      () => sizeBytes,
      () => undefined
    )
  }
}

/** Removes from the cache what it holds of a key and is not wanted. */
export async function pruneCache(cache: Store, key: string, isWanted: (name: string) => boolean): Promise<void> {
  const unwanted: string[] = []
  for await (const { name } of cache.list(`${key}.`)) {
    if (parseArtifactName(name)?.key === key && !isWanted(name)) unwanted.push(name)
  }
  for (const name of unwanted) await cache.delete(name)
}

function isCached(name: string): boolean {
  const kind = parseArtifactName(name)?.kind
  return kind === 'state' || kind === 'sigvault'
}

function clamp({ start, end = Infinity }: ByteRange = { start: 0 }, sizeBytes: number): ByteRange {
  return { start: Math.min(start, sizeBytes), end: Math.min(end, sizeBytes) }
}

async function* withDigest(source: Source<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  for await (const chunk of source) {
    hash.update(chunk)
    yield chunk
  }
  yield hash.digest()
}

/** Whether the cache has a copy of that size, undamaged. */
async function isWhole(cache: Store, name: string, sizeBytes: number, options?: StoreOptions): Promise<boolean> {
  const hash = createHash('sha256')
  const kept: Uint8Array[] = []
  try {
    if ((await sizeIn(cache, name, options)) !== sizeBytes + DIGEST_BYTES) return false
    for await (const chunk of cache.get(name, { start: 0, end: sizeBytes }, options)) hash.update(chunk)
    for await (const chunk of cache.get(name, { start: sizeBytes }, options)) kept.push(chunk)
  } catch {
    options?.signal?.throwIfAborted()
    return false
  }
  return hash.digest().equals(Buffer.concat(kept))
}

async function sizeIn(store: Store, name: string, options?: StoreOptions): Promise<number | undefined> {
  for await (const stored of store.list(name, options)) if (stored.name === name) return stored.sizeBytes
  return undefined
}
