import { wrapStore } from '../../src/stores/index.js'
import type { Store } from '../../src/types.js'

/** A store that does something else first when a name that is no lock is put or deleted for the first time. */
export function interrupted(store: Store, interrupt: () => Promise<void>): Store {
  let first: Promise<void> | undefined
  const before = async (name: string) => {
    if (!name.includes('.lock')) await (first ??= interrupt())
  }
  return wrapStore(store, {
    async put(name, source, options) {
      await before(name)
      await store.put(name, source, options)
    },
    async delete(name, options) {
      await before(name)
      await store.delete(name, options)
    }
  })
}
