import { BackupError } from '../errors.js'
import type { Store } from '../types.js'

/** A store that takes everything and keeps nothing: for dry runs. */
export function nullStore(): Store {
  return {
    id: 'null',
    async put(_name, source) {
      for await (const _ of source);
    },
    // biome-ignore lint/correctness/useYield: it has nothing to yield
    async *get(name: string) {
      throw new BackupError('IBT_STORE_FAILED', `${name} was not kept`, { path: name })
    },
    async *list() {},
    async delete() {}
  }
}
