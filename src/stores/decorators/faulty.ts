import { BackupError } from '../../errors.js'
import type { Source, Store } from '../../types.js'
import { wrapStore } from '../wrap-store.js'

/**
 * How a call fails: `before` the work; `within` it (a `put` has read its source and stores nothing, a `get` or a `list`
 * breaks off); `after` it, as if the answer were lost; `short`: a `get` ends early and says nothing, any other call fails
 * within its work.
 */
export type Fault = 'before' | 'within' | 'after' | 'short'

/** A call of a store: its number from 0, what is called, and the name, prefix or key. */
export interface StoreCall {
  readonly index: number
  readonly call: 'put' | 'get' | 'list' | 'delete' | 'create' | 'retain' | 'clean'
  readonly name: string
}

/** A store whose calls fail as planned: for tests of what is built on stores. */
export function faulty(store: Store, plan: (call: StoreCall) => Fault | undefined): Store {
  let index = 0
  const next = (call: StoreCall['call'], name: string) => {
    const fault = plan({ index: index++, call, name })
    return fault === 'short' && call !== 'get' ? 'within' : fault
  }
  const { create, retain, clean } = store

  async function around<T>(call: StoreCall['call'], name: string, work: () => Promise<T>): Promise<T> {
    const fault = next(call, name)
    if (fault === 'before' || fault === 'within') throw failure(call, name, fault)
    const result = await work()
    if (fault === 'after') throw failure(call, name, fault)
    return result
  }

  async function* stream<T>(call: 'get' | 'list', name: string, source: AsyncIterable<T>, cut: (item: T) => T[]) {
    const fault = next(call, name)
    if (fault === 'before') throw failure(call, name, fault)
    for await (const item of source) {
      if (fault === 'within' || fault === 'short') {
        yield* cut(item)
        if (fault === 'short') return
        throw failure(call, name, fault)
      }
      yield item
    }
    if (fault === 'after' || fault === 'within') throw failure(call, name, fault)
  }

  return wrapStore(store, {
    async put(name, source, options) {
      const fault = next('put', name)
      if (fault === 'before') throw failure('put', name, fault)
      const error = fault === undefined ? undefined : failure('put', name, fault)
      await store.put(name, fault === 'within' ? thenFails(source, error) : source, options)
      if (error !== undefined) throw error
    },
    get: (name, range, options) =>
      stream('get', name, store.get(name, range, options), chunk => [chunk.subarray(0, chunk.length >> 1)]),
    list: (prefix = '', options) => stream('list', prefix, store.list(prefix, options), item => [item]),
    delete: (name, options) => around('delete', name, () => store.delete(name, options)),
    ...(create && {
      create: (name, bytes, options) => around('create', name, () => create.call(store, name, bytes, options))
    }),
    ...(retain && {
      retain: (name, untilMs, options) => around('retain', name, () => retain.call(store, name, untilMs, options))
    }),
    ...(clean && { clean: key => around('clean', key, () => clean.call(store, key)) })
  })
}

async function* thenFails(source: Source<Uint8Array>, error: unknown): AsyncGenerator<Uint8Array> {
  yield* source
  throw error
}

function failure(call: string, name: string, fault: Fault): BackupError {
  return new BackupError('IBT_STORE_FAILED', `A fault ${fault} the ${call} of ${name}`, { path: name })
}
