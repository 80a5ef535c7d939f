import { hasListeners, type StoreTrace, storeChannel } from '../flow/tracing.js'
import type { Source, Store } from '../types.js'
import { wrapStore } from './wrap-store.js'

/**
 * A store whose calls are told on the channel `ibt:store`; the store itself where nobody listens. A `get` or a `list`
 * ends when its reader does.
 */
export function tracedStore(store: Store): Store {
  if (!hasListeners(storeChannel)) return store
  const { create, retain } = store
  const trace = (call: StoreTrace['call'], name: string, range?: StoreTrace['range']): StoreTrace => {
    return { call, store: store.id, name, range, sizeBytes: 0 }
  }
  return wrapStore(store, {
    put(name, source, options) {
      const put = trace('put', name)
      return storeChannel.tracePromise(() => store.put(name, counted(source, put), options), put)
    },
    get: (name, range, options) => told(store.get(name, range, options), trace('get', name, range)),
    list: (prefix = '', options) => told(store.list(prefix, options), trace('list', prefix)),
    delete: (name, options) => storeChannel.tracePromise(() => store.delete(name, options), trace('delete', name)),
    ...(create && {
      create: (name: string, bytes: Uint8Array, options?: object) =>
        storeChannel.tracePromise(() => create.call(store, name, bytes, options), trace('create', name))
    }),
    ...(retain && {
      retain: (name: string, untilMs: number, options?: object) =>
        storeChannel.tracePromise(() => retain.call(store, name, untilMs, options), trace('retain', name))
    })
  })
}

async function* counted(source: Source<Uint8Array>, trace: StoreTrace): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    trace.sizeBytes += chunk.length
    yield chunk
  }
}

/** Items that are read, from the first pull to the end. */
async function* told<T>(items: AsyncIterable<T>, trace: StoreTrace): AsyncGenerator<T, void, undefined> {
  const { start, end, asyncStart, asyncEnd, error: failed } = storeChannel
  start.publish(trace)
  end.publish(trace)
  try {
    for await (const item of items) {
      trace.sizeBytes += item instanceof Uint8Array ? item.length : 1
      yield item
    }
  } catch (error) {
    failed.publish(Object.assign(trace, { error }))
    throw error
  } finally {
    asyncStart.publish(trace)
    asyncEnd.publish(trace)
  }
}
