import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeConformance } from '../../src/stores/conformance.js'
import { defineStore } from '../../src/stores/define-store.js'
import { storesThenFails } from '../../src/stores/failing-store.js'
import { memoryStore } from '../../src/stores/memory.js'
import type { Store } from '../../src/types.js'

/** Titles of the checks that a store fails. */
async function failures(
  change: (store: ReturnType<typeof memoryStore>) => Partial<Store>,
  timeoutMs = 60_000
): Promise<string[]> {
  const bodies: [string, () => Promise<void>][] = []
  const makeStore = () => {
    const store = memoryStore()
    return new Proxy(store, {
      get: (target, property) => {
        const changed = change(target) as Record<PropertyKey, unknown>
        const value = property in changed ? changed[property] : Reflect.get(target, property)
        return typeof value === 'function' ? value.bind(target) : value
      }
    })
  }
  storeConformance('x', makeStore, { test: (title, body) => bodies.push([title, body]), timeoutMs })
  const failed: string[] = []
  for (const [title, body] of bodies) await body().catch(() => failed.push(title))
  return failed
}

test('a store that keeps its promises passes', async () => {
  assert.deepEqual(await failures(() => ({})), [])
  assert.deepEqual(await failures(() => ({ create: undefined as never })), [])
})

test('a store that shows half a content is found out', async () => {
  // It takes an endless content for ever.
  const found = await failures(
    store => ({
      async put(name, source, options) {
        const chunks: Uint8Array[] = []
        for await (const chunk of source) {
          chunks.push(chunk)
          await store.put(name, chunks, options)
        }
      }
    }),
    5000
  )
  assert.ok(found.some(title => title.includes('shows the old content')))
  assert.ok(found.some(title => title.includes('if the source fails')))
})

test('a store whose range is off by one, whose list is not in order or whose `create` always wins is found out', async () => {
  const range = await failures(store => ({
    get: (name, { start, end } = { start: 0 }, options) =>
      store.get(name, { start, end: end === undefined ? undefined : end + 1 }, options)
  }))
  assert.ok(range.some(title => title.includes('any range')))
  const order = await failures(store => ({
    async *list(prefix) {
      const found = []
      for await (const stored of store.list(prefix)) found.unshift(stored)
      yield* found
    }
  }))
  assert.ok(order.some(title => title.includes('in the order of their bytes')))
  const create = await failures(store => ({
    create: (name, bytes) => store.put(name, [bytes]).then(() => true)
  }))
  assert.equal(create.filter(title => title.includes('create')).length, 2)
})

test('a store that stores and then fails, and one that does not answer, are found out', async () => {
  assert.ok((await failures(store => ({ put: storesThenFails(store).put }))).length > 10)
  const silent = await failures(() => ({ delete: () => new Promise<never>(() => {}) }), 300)
  assert.ok(silent.some(title => title.includes('deletes a name')))
})

test('each store is torn down once, whether or not its test succeeds', async () => {
  const bodies: (() => Promise<void>)[] = []
  const made: Store[] = []
  const tornDown: Store[] = []
  const makeStore = () => {
    made.push(defineStore({ put: async () => {}, get: () => undefined, list: () => [], delete: async () => {} }))
    return made.at(-1)!
  }
  const test = (_: string, body: () => Promise<void>) => bodies.push(body)
  storeConformance('x', makeStore, { test, timeoutMs: 500, teardown: store => tornDown.push(store) })
  let failed = 0
  for (const body of bodies) await body().catch(() => failed++)
  assert.ok(failed > 0 && failed < bodies.length)
  assert.deepEqual(tornDown, made)
})
