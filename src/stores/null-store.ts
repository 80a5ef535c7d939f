import { abortable } from '../flow/abortable.js'
import type { Store } from '../types.js'
import { checkSource, checkStoredName, notFound } from './stored-name.js'

/** A store that takes everything and keeps nothing: for dry runs. Memory: none. */
export function nullStore(): Store & Required<Pick<Store, 'create'>> {
  return {
    id: 'null',
    async put(name, source, { signal } = {}) {
      checkStoredName(name)
      checkSource(source)
      for await (const _ of abortable(source, signal));
    },
    // biome-ignore lint/correctness/useYield: it has nothing to yield
    async *get(name: string) {
      throw notFound(name)
    },
    async *list() {},
    async delete() {},
    create: async () => true
  }
}
