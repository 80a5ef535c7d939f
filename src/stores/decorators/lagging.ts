import type { Store, StoredName, StoreOptions } from '../../types.js'
import { compareStoredNames } from '../stored-name.js'
import { wrapStore } from '../wrap-store.js'

/** A store whose list is behind. */
export interface LaggingStore extends Store {
  /** The list shows what is there. */
  settle(): void
}

/**
 * A store whose list still shows a name as it was before, or not at all, until `settle`; everything else is as it should
 * be. For tests of what is built on stores with eventual listing.
 */
export function lagging(store: Store, isLate: (name: string) => boolean = () => true): LaggingStore {
  /** What the list shows of a name. */
  const shown = new Map<string, StoredName | undefined>()

  async function remember(name: string, options?: StoreOptions): Promise<void> {
    if (shown.has(name) || !isLate(name)) return
    let before: StoredName | undefined
    for await (const stored of store.list(name, options)) if (stored.name === name) before = stored
    shown.set(name, before)
  }

  const { create } = store
  const wrapped = wrapStore(store, {
    async put(name, source, options) {
      await remember(name, options)
      await store.put(name, source, options)
    },
    async delete(name, options) {
      await remember(name, options)
      await store.delete(name, options)
    },
    ...(create && {
      async create(name, bytes, options) {
        await remember(name, options)
        return create.call(store, name, bytes, options)
      }
    }),
    async *list(prefix = '', options) {
      const names = new Map<string, StoredName | undefined>()
      for await (const stored of store.list(prefix, options)) names.set(stored.name, stored)
      for (const [name, before] of shown) if (name.startsWith(prefix)) names.set(name, before)
      for (const name of [...names.keys()].sort(compareStoredNames)) {
        const stored = names.get(name)
        if (stored !== undefined) yield stored
      }
    }
  })
  return { ...wrapped, settle: () => shown.clear() }
}
