import { isBackupError } from '../../errors.js'
import type { Places } from '../../places/places.js'
import type { Published } from '../../stages/publish.js'
import { pruneCache } from '../../stores/cached-store.js'
import type { Chain } from '../../stores/chain.js'
import { deleteLeftovers } from '../../stores/leftovers.js'
import { cleanTakeOvers } from '../../stores/lock.js'
import type { StoredName } from '../../types.js'
import type { RunOptions } from '../options.js'

/** Removes what an interrupted run left. */
export async function removeLeftovers(
  chain: Chain,
  { cached, store, cache }: Places,
  stored: readonly StoredName[],
  signal: AbortSignal | undefined
): Promise<void> {
  await deleteLeftovers(chain, cached, chain.leftovers, { signal })
  await store.clean?.(chain.key)
  // A cache that fails is done without.
  await cache?.clean?.(chain.key).catch(() => {})
  await cleanTakeOvers(store, chain.key, stored, { signal })
}

/**
 * Removes what a new full makes superfluous: cached artifacts of older chains and, if that is wanted, their sigvaults.
 * The backup exists by now: neither an abort nor something that cannot be removed makes a failure of it.
 */
export async function removeSuperfluous(
  chain: Chain,
  places: Places,
  published: Published,
  options: RunOptions
): Promise<void> {
  try {
    await remove(chain, places, published, options)
  } catch (error) {
    if (options.signal?.aborted) return
    if (!isBackupError(error)) throw error
    options.onError?.(error)
  }
}

async function remove(
  chain: Chain,
  { store, cache }: Places,
  { artifacts }: Published,
  { deleteOldSigvaults, signal }: RunOptions
): Promise<void> {
  if (cache !== undefined) {
    const wanted = new Set(artifacts.map(({ name }) => name))
    await pruneCache(cache, chain.key, name => wanted.has(name)).catch(() => {})
  }
  if (!deleteOldSigvaults) return
  const old = chain.artifacts.filter(({ kind }) => kind === 'sigvault')
  for (const { name } of old) await store.delete(name, { signal })
}
