import { checkKey } from '../../format/names.js'
import type { Store } from '../../types.js'
import { defineStore } from '../define-store.js'

/** Bytes of a prefix, at most: what is left is for names. */
const PREFIX_BYTES_MAX = 60

/**
 * The names of a store that begin with a prefix, without it: several stores in one. No prefix may begin with another one,
 * or one store lists the names of the other. Its id is another one than the store's. Names get shorter by the prefix.
 * Memory: none of its own.
 *
 * @throws BackupError IBT_NAME_INVALID at the call for a prefix that no key can begin with; RangeError for a long one.
 */
export function prefixed(store: Store, prefix: string): Store {
  // What looks for names of a key finds them behind the prefix, too.
  checkKey(`${prefix}x`)
  if (Buffer.byteLength(prefix) > PREFIX_BYTES_MAX)
    throw new RangeError(`A prefix has ${PREFIX_BYTES_MAX} bytes at most`)
  const { places, create, retain, thaw, clean } = store
  return defineStore({
    id: `${store.id} ${prefix}`,
    places,
    put: (name, chunks, options) => store.put(prefix + name, chunks, options),
    get: (name, range, options) => store.get(prefix + name, range, options),
    async *list(wanted, options) {
      for await (const stored of store.list(prefix + wanted, options)) {
        const name = stored.name.slice(prefix.length)
        if (name !== '') yield { ...stored, name }
      }
    },
    delete: (name, options) => store.delete(prefix + name, options),
    ...(create && { create: (name, bytes, options) => create.call(store, prefix + name, bytes, options) }),
    ...(retain && { retain: (name, untilMs, options) => retain.call(store, prefix + name, untilMs, options) }),
    ...(thaw && { thaw: (name, options) => thaw.call(store, prefix + name, options) }),
    ...(clean && { clean: key => clean.call(store, prefix + key) })
  })
}
