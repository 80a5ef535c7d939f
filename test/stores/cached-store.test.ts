import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { cachedStore, pruneCache } from '../../src/stores/cached-store.js'
import { storeConformance } from '../../src/stores/conformance.js'
import { memoryStore } from '../../src/stores/memory.js'
import type { Store } from '../../src/types.js'
import { bytesOf, collect } from '../helpers/entries.js'

const STATE = 'key.state.20261123T000000.000Z.json'
const SIGVAULT = 'key.sigvault.20261123T000000.000Z.tar'
const FULL = 'key.full.20261123T000000.000Z.tar'

storeConformance('cachedStore', () => cachedStore(memoryStore(), memoryStore()), { test })

const names = async (store: Store) => (await collect(store.list())).map(({ name }) => name)
const text = async (store: Store, name: string) => (await bytesOf(store.get(name))).toString()

/** A store that counts what is read from it. */
function counting(store: Store): Store & { readonly gets: string[] } {
  const gets: string[] = []
  return {
    ...{ gets, id: store.id, put: store.put.bind(store), list: store.list.bind(store) },
    delete: store.delete.bind(store),
    get(name, range, options) {
      gets.push(name)
      return store.get(name, range, options)
    }
  }
}

/** A store all of whose writes fail. */
function broken(store: Store, accepts = 0): Store {
  return {
    ...{ id: store.id, get: store.get.bind(store), list: store.list.bind(store), delete: store.delete.bind(store) },
    async put(_, source) {
      let chunks = 0
      for await (const _ of source) if (chunks++ === accepts) throw new Error('The disk is full')
      throw new Error('The disk is full')
    }
  }
}

test('states and sigvaults are kept in the cache, archives are not', async () => {
  const [store, cache] = [memoryStore(), memoryStore()]
  const cached = cachedStore(store, cache)
  for (const name of [STATE, SIGVAULT, FULL, 'key.lock', 'notes']) await cached.put(name, [Buffer.from(name)])
  assert.deepEqual(await names(cache), [SIGVAULT, STATE])
  assert.deepEqual(await names(cached), [FULL, 'key.lock', SIGVAULT, STATE, 'notes'])
})

test('what is in the cache is not read from the store', async () => {
  const [store, cache] = [counting(memoryStore()), memoryStore()]
  const cached = cachedStore(store, cache)
  await cached.put(
    STATE,
    ['sta', 'te'].map(part => Buffer.from(part))
  )
  assert.equal(await text(cached, STATE), 'state')
  assert.equal((await bytesOf(cached.get(STATE, { start: 1, end: 3 }))).toString(), 'ta')
  assert.deepEqual(store.gets, [])
})

test('what is missing in the cache, has another size or is damaged is fetched once', async () => {
  const [store, cache] = [counting(memoryStore()), memoryStore()]
  await store.put(STATE, [Buffer.from('state')])
  assert.equal(await text(cachedStore(store, cache), STATE), 'state')
  const kept = await bytesOf(cache.get(STATE))
  const flipped = Array.from(kept, (_, at) => kept.map((byte, i) => (i === at ? byte ^ 0x10 : byte)))
  const cuts = [0, 1, 5, kept.length - 1].map(length => kept.subarray(0, length))
  for (const wrong of [undefined, ...flipped, ...cuts, Buffer.concat([kept, kept]), Buffer.from('state')]) {
    if (wrong === undefined) await cache.delete(STATE)
    else await cache.put(STATE, [wrong])
    store.gets.length = 0
    for (let i = 0; i < 2; i++) assert.equal(await text(cachedStore(store, cache), STATE), 'state')
    assert.deepEqual(store.gets, [STATE])
    assert.deepEqual(await bytesOf(cache.get(STATE)), kept)
  }
})

test('ranges of a cached copy end where the artifact ends', async () => {
  const cached = cachedStore(memoryStore(), memoryStore())
  await cached.put(STATE, [Buffer.from('state')])
  const ranges = { state: { start: 0 }, ate: { start: 2, end: 50 }, e: { start: 4, end: Infinity } }
  for (const [wanted, range] of Object.entries(ranges)) {
    assert.equal((await bytesOf(cached.get(STATE, range))).toString(), wanted)
  }
  for (const start of [5, 6, 50]) assert.equal((await bytesOf(cached.get(STATE, { start }))).length, 0)
})

test('what another run prunes from the cache after it was looked at is read from the store', async () => {
  const [store, cache] = [counting(memoryStore()), memoryStore()]
  const cached = cachedStore(store, cache)
  await cached.put(STATE, [Buffer.from('state')])
  assert.equal(await text(cached, STATE), 'state')
  await cache.delete(STATE)
  assert.equal(await text(cached, STATE), 'state')
  assert.deepEqual(store.gets, [STATE])
})

test('what the store has lost is not served from the cache', async () => {
  const [store, cache] = [memoryStore(), memoryStore()]
  const cached = cachedStore(store, cache)
  await cached.put(STATE, [Buffer.from('state')])
  await store.delete(STATE)
  await assert.rejects(text(cached, STATE), { code: 'IBT_NOT_FOUND' })
})

test('a cache that cannot be written is done without', async () => {
  for (const accepts of [0, 1, 5]) {
    const store = memoryStore()
    const cached = cachedStore(store, broken(memoryStore(), accepts))
    await cached.put(
      STATE,
      ['a', 'b', 'c'].map(part => Buffer.from(part))
    )
    assert.equal(await text(store, STATE), 'abc')
    assert.equal(await text(cached, STATE), 'abc')
  }
})

test('what the store has not taken is not in the cache', async () => {
  const cache = memoryStore()
  const cached = cachedStore(broken(memoryStore()), cache)
  await assert.rejects(cached.put(STATE, [Buffer.from('state')]), /The disk is full/)
  assert.deepEqual(await names(cache), [])
})

test('an abort ends a put in the cache, too', async () => {
  const [store, cache] = [memoryStore(), memoryStore()]
  const controller = new AbortController()
  const reason = new Error('Enough')
  const source = (async function* () {
    yield Buffer.from('half')
    await setImmediate()
    controller.abort(reason)
    yield Buffer.from('more')
    yield Buffer.from('more')
  })()
  const put = cachedStore(store, cache).put(STATE, source, { signal: controller.signal })
  await assert.rejects(put, error => error === reason)
  assert.deepEqual([await names(store), await names(cache)], [[], []])
})

test('a deletion takes both', async () => {
  const [store, cache] = [memoryStore(), memoryStore()]
  const cached = cachedStore(store, cache)
  await cached.put(STATE, [Buffer.from('state')])
  await cached.delete(STATE)
  assert.deepEqual([await names(store), await names(cache)], [[], []])
})

test('a store without create has none behind a cache', () => {
  assert.equal(typeof cachedStore(memoryStore(), memoryStore()).create, 'function')
  assert.equal(cachedStore(counting(memoryStore()), memoryStore()).create, undefined)
})

test('what is not wanted of a key goes from the cache, and nothing of other keys', async () => {
  const cache = memoryStore()
  const kept = [STATE, `key2${SIGVAULT.slice(3)}`, `key.x${SIGVAULT.slice(3)}`, 'key.notes']
  for (const name of [...kept, SIGVAULT]) await cache.put(name, [Buffer.from('x')])
  await pruneCache(cache, 'key', name => name === STATE)
  assert.deepEqual(await names(cache), [...kept].sort())
})
