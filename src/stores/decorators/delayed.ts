import { setTimeout } from 'node:timers/promises'
import type { Store, StoreOptions } from '../../types.js'
import { wrapStore } from '../wrap-store.js'

/** A store far away: every call takes so many milliseconds longer. For tests of what is built on stores. */
export function delayed(store: Store, ms: number): Store {
  const wait = async ({ signal }: StoreOptions = {}) => {
    await setTimeout(ms, undefined, { signal }).catch(() => signal?.throwIfAborted())
  }
  const { create, retain, clean } = store
  return wrapStore(store, {
    async put(name, source, options) {
      await wait(options)
      await store.put(name, source, options)
    },
    async *get(name, range, options) {
      await wait(options)
      yield* store.get(name, range, options)
    },
    async *list(prefix, options) {
      await wait(options)
      yield* store.list(prefix, options)
    },
    async delete(name, options) {
      await wait(options)
      await store.delete(name, options)
    },
    ...(create && {
      async create(name, bytes, options) {
        await wait(options)
        return create.call(store, name, bytes, options)
      }
    }),
    ...(retain && {
      async retain(name, untilMs, options) {
        await wait(options)
        await retain.call(store, name, untilMs, options)
      }
    }),
    ...(clean && {
      async clean(key) {
        await wait()
        return clean.call(store, key)
      }
    })
  })
}
