import { parseArtifactName } from '../../format/names.js'
import { parseVolumeName } from '../../format/volume-names.js'
import type { Kind, Store } from '../../types.js'
import { isNotFound, notFound } from '../stored-name.js'
import { wrapStore } from '../wrap-store.js'
import { mergeLists, toStoredName } from './merge-lists.js'

/** Where each kind of artifact goes. Everything that is not an artifact, such as a lock, goes where states go. */
export interface Tiers extends Partial<Readonly<Record<Kind, Store>>> {
  readonly default: Store
}

/**
 * Several stores as one: archives in a cold store, states and sigvaults in a hot one. A name is stored in the store of its
 * kind, and found in whichever has it, so that the tiers can be changed later. It is deleted from all stores.
 * Its id and `create` are those of the states' store; it has `retain` if all stores have it.
 * Memory: none of its own.
 *
 * @throws TypeError at the call if there is no default store.
 */
export function tiered(tiers: Tiers): Store {
  if (typeof tiers?.default?.put !== 'function') throw new TypeError('tiered: a default store is expected')
  const hot = tiers.state ?? tiers.default
  const stores = [...new Set([hot, ...Object.values(tiers)])].filter(store => store !== undefined)
  const placeOf = (name: string): Store => {
    const kind = parseArtifactName(parseVolumeName(name)?.name ?? name)?.kind
    return kind === undefined ? hot : (tiers[kind] ?? tiers.default)
  }
  const placeFirst = (name: string) => [...new Set([placeOf(name), ...stores])]
  const canRetain = stores.every(({ retain }) => retain !== undefined)
  const canClean = stores.some(({ clean }) => clean !== undefined)
  return wrapStore(hot, {
    ...placesOf(stores),
    put: (name, source, options) => placeOf(name).put(name, source, options),
    async *get(name, range, options) {
      for (const store of placeFirst(name)) {
        try {
          return yield* store.get(name, range, options)
        } catch (error) {
          if (!isNotFound(error)) throw error
        }
      }
      throw notFound(name)
    },
    async *list(prefix, options) {
      const lists = stores.map(store => store.list(prefix, options))
      for await (const listed of mergeLists(lists)) yield toStoredName(listed, stores.indexOf(placeOf(listed.name)))
    },
    async delete(name, options) {
      for (const store of placeFirst(name)) await store.delete(name, options)
    },
    retain: canRetain
      ? (name, untilMs, options) => callOwner(placeFirst(name), name, store => store.retain?.(name, untilMs, options))
      : undefined,
    thaw: stores.some(canThaw)
      ? (name, options) => callOwner(placeFirst(name).filter(canThaw), name, store => store.thaw?.(name, options))
      : undefined,
    clean: canClean ? key => cleanAll(stores, key) : undefined
  })
}

function canThaw({ thaw }: Store): boolean {
  return thaw !== undefined
}

/** The places of all stores, each once. */
export function placesOf(stores: readonly Store[]): Pick<Store, 'places'> {
  const places = [...new Set(stores.flatMap(store => store.places ?? []))]
  return places.length > 0 ? { places } : {}
}

/** Calls the first store that has the name. */
async function callOwner(
  stores: readonly Store[],
  name: string,
  call: (store: Store) => Promise<void> | undefined
): Promise<void> {
  for (const store of stores) {
    try {
      return await call(store)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }
  throw notFound(name)
}

async function cleanAll(stores: readonly Store[], key: string): Promise<number> {
  let removed = 0
  for (const store of stores) removed += (await store.clean?.(key)) ?? 0
  return removed
}
