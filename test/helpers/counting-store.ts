import { wrapStore } from '../../src/stores/wrap-store.js'
import type { Store } from '../../src/types.js'

/** What a store has given of one name. */
export interface Given {
  requests: number
  bytes: number
}

/** A store that counts what it gives. */
export function countingStore(store: Store): { readonly store: Store; readonly given: Map<string, Given> } {
  const given = new Map<string, Given>()
  const counted = wrapStore(store, {
    async *get(name, range, options) {
      const count = given.get(name) ?? { requests: 0, bytes: 0 }
      given.set(name, count)
      count.requests++
      for await (const chunk of store.get(name, range, options)) {
        count.bytes += chunk.length
        yield chunk
      }
    }
  })
  return { store: counted, given }
}
