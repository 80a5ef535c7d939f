import type { Store } from '../types.js'

/** Calls and fields that replace those of a store. */
export type StoreChanges = Partial<Omit<Store, 'create' | 'retain' | 'thaw' | 'clean'>> & {
  readonly create?: Store['create'] | undefined
  readonly retain?: Store['retain'] | undefined
  readonly thaw?: Store['thaw'] | undefined
  readonly clean?: Store['clean'] | undefined
}

/**
 * A store with some of its calls replaced: `wrapStore(store, { put: … })` for one that counts, encrypts, or retries. The
 * other calls go to the store, whatever it is an object of; its id, places and `clean` stay. A call that is given as
 * undefined is taken away: `{ create: undefined }`.
 *
 * A wrapper that changes what is stored takes an id of its own, or the cache mixes the two up.
 */
export function wrapStore(store: Store, changes: StoreChanges): Store {
  const { create, retain, thaw, clean } = store
  const wrapped = {
    id: store.id,
    ...(store.places && { places: store.places }),
    put: (...call: Parameters<Store['put']>) => store.put(...call),
    get: (...call: Parameters<Store['get']>) => store.get(...call),
    list: (...call: Parameters<Store['list']>) => store.list(...call),
    delete: (...call: Parameters<Store['delete']>) => store.delete(...call),
    ...(create && { create: create.bind(store) }),
    ...(retain && { retain: retain.bind(store) }),
    ...(thaw && { thaw: thaw.bind(store) }),
    ...(clean && { clean: clean.bind(store) }),
    ...changes
  }
  return wrapped as Store
}
