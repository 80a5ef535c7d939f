import { BackupError } from '../errors.js'
import type { Store } from '../types.js'
import { wrapStore } from './wrap-store.js'

/**
 * A store whose `put` of some names stores, and then fails: as one over a network does that loses the answer. For tests
 * of what is built on stores. A rejected call means that nobody knows, not that nothing was done.
 */
export function storesThenFails(store: Store, fails: (name: string) => boolean = () => true): Store {
  return wrapStore(store, {
    async put(name, source, options) {
      await store.put(name, source, options)
      if (fails(name)) throw new BackupError('IBT_STORE_FAILED', `No answer to the put of ${name}`, { path: name })
    }
  })
}
