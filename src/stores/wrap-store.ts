import type { Store } from '../types.js'

/**
 * A store with some of its calls replaced: `wrapStore(store, { put: … })` for one that counts, encrypts, or retries. The
 * other calls go to the store, whatever it is an object of; its id, places and `clean` stay. A call that is given as
 * undefined is taken away: `{ create: undefined }`.
 *
 * A wrapper that changes what is stored takes an id of its own, or the cache mixes the two up.
 */
export function wrapStore(store: Store, changes: Partial<Store>): Store {
  const { create, clean } = store
  return {
    id: store.id,
    ...(store.places && { places: store.places }),
    put: (name, source, options) => store.put(name, source, options),
    get: (name, range, options) => store.get(name, range, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: (name, options) => store.delete(name, options),
    ...(create && { create: (name, bytes, options) => create.call(store, name, bytes, options) }),
    ...(clean && { clean: key => clean.call(store, key) }),
    ...changes
  }
}
