import { defineStore } from './define-store.js'
import type { CreatingStore } from './memory.js'

/** A store that takes everything and has nothing: for dry runs. Memory: none. */
export function nullStore(): CreatingStore {
  const store = defineStore({
    id: 'null',
    async put(_name, source) {
      for await (const _ of source);
    },
    get: () => undefined,
    list: () => [],
    async delete() {},
    create: async () => true
  })
  return store as CreatingStore
}
