import { Channel } from '../channel.js'
import { parseArtifactName } from '../format/names.js'
import type { ByteRange, Source, Store, StoreOptions } from '../types.js'

/**
 * A store whose states and sigvaults are also kept in a cache: read there, and fetched again when they are missing.
 * A cached artifact counts only if the store lists it with the same size. A cache that fails is done without.
 * Memory: one chunk.
 */
export function cachedStore(store: Store, cache: Store): Store {
  return {
    id: store.id,
    put: (name, source, options) =>
      isCached(name) ? putBoth(name, source, options) : store.put(name, source, options),
    async *get(name: string, range?: ByteRange, options?: StoreOptions) {
      const isAtHand = isCached(name) && (await fetch(name, options))
      yield* (isAtHand ? cache : store).get(name, range, options)
    },
    list: (prefix, options) => store.list(prefix, options),
    async delete(name, options) {
      await cache.delete(name, options)
      await store.delete(name, options)
    },
    ...(store.create && { create: store.create.bind(store) })
  }

  /** The cache keeps its copy only when the store has taken the artifact. */
  async function putBoth(name: string, source: Source<Uint8Array>, options?: StoreOptions): Promise<void> {
    const copy = new Channel<Uint8Array>()
    const cached = cache.put(name, copy, options)
    cached.catch(error => copy.fail(error))
    async function* tee() {
      for await (const chunk of source) {
        await copy.push(chunk).catch(() => {})
        yield chunk
      }
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

  async function fetch(name: string, options?: StoreOptions): Promise<boolean> {
    const wanted = await sizeIn(store, name, options)
    if (wanted === undefined) return false
    if ((await sizeIn(cache, name, options)) === wanted) return true
    return cache.put(name, store.get(name, undefined, options), options).then(
      () => true,
      () => false
    )
  }
}

/** Removes from the cache what it holds of a key and the store has not, and what is older than the newest full. */
export async function pruneCache(
  cache: Store,
  key: string,
  isWanted: (name: string, date: string) => boolean
): Promise<void> {
  const unwanted: string[] = []
  for await (const { name } of cache.list(`${key}.`)) {
    const parsed = parseArtifactName(name)
    if (parsed?.key === key && !isWanted(name, parsed.date)) unwanted.push(name)
  }
  for (const name of unwanted) await cache.delete(name)
}

function isCached(name: string): boolean {
  const kind = parseArtifactName(name)?.kind
  return kind === 'state' || kind === 'sigvault'
}

async function sizeIn(store: Store, name: string, options?: StoreOptions): Promise<number | undefined> {
  for await (const stored of store.list(name, options)) if (stored.name === name) return stored.sizeBytes
  return undefined
}
