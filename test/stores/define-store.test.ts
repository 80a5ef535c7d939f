import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BackupError, fullBackup, restoreBackup } from '../../src/index.js'
import { openPlaces } from '../../src/places/places.js'
import { cachedStore } from '../../src/stores/cached-store.js'
import { storeConformance } from '../../src/stores/conformance.js'
import { defineStore, type StoreDefinition } from '../../src/stores/define-store.js'
import { directoryStore } from '../../src/stores/directory.js'
import { memoryStore } from '../../src/stores/memory.js'
import { wrapStore } from '../../src/stores/wrap-store.js'
import type { ByteRange, Store, StoreOptions } from '../../src/types.js'
import { bytesOf, collect } from '../helpers/entries.js'
import { temporaryDirectory } from '../native/tree.js'

/** The least that a store can be. */
function smallest(): StoreDefinition {
  const contents = new Map<string, Buffer>()
  return {
    async put(name, chunks) {
      const found: Uint8Array[] = []
      for await (const chunk of chunks) found.push(chunk)
      contents.set(name, Buffer.concat(found))
    },
    get: async (name, { start, end }) => {
      const content = contents.get(name)
      if (content === undefined) throw Object.assign(new Error('Gone'), { code: 'ENOENT' })
      return [Uint8Array.from(content.subarray(start, end))]
    },
    list: () =>
      [...contents]
        .map(([name, { length }]) => ({ name, sizeBytes: length }))
        .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))),
    async delete(name) {
      if (!contents.delete(name)) throw Object.assign(new Error('Gone'), { $metadata: { httpStatusCode: 404 } })
    }
  }
}

/** A store of a class, whose methods need their object. */
class OfAClass implements Store {
  readonly id = 'of a class'
  readonly #store = memoryStore()
  put(...call: Parameters<Store['put']>) {
    return this.#store.put(...call)
  }
  get(name: string, range?: ByteRange, options?: StoreOptions) {
    return this.#store.get(name, range, options)
  }
  list(prefix?: string, options?: StoreOptions) {
    return this.#store.list(prefix, options)
  }
  delete(name: string, options?: StoreOptions) {
    return this.#store.delete(name, options)
  }
}

storeConformance('defineStore', () => defineStore(smallest()), { test })
storeConformance('wrapStore', () => wrapStore(new OfAClass(), {}), { test })
storeConformance('a memory store that was spread', () => ({ ...memoryStore() }), { test })

test('a store of a few functions, one that was spread and one of a class take backups', async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'text')
  const stores = [defineStore(smallest()), { ...directoryStore(join(base, 'store')) }, new OfAClass()]
  for (const [i, store] of stores.entries()) {
    const options = { store, cache: false as const, key: 'key' }
    await fullBackup(source, options)
    const { files } = await restoreBackup('key', join(base, `out ${i}`), options)
    assert.equal(files, 1)
  }
})

test('an error of a store gets a code, and keeps its cause', async () => {
  const cause = new Error('Connection reset')
  const fails = async () => {
    throw cause
  }
  const store = defineStore({ put: fails, get: fails, list: fails, delete: fails, create: fails, clean: fails })
  const calls: Record<string, () => Promise<unknown>> = {
    write: () => store.put('name', []),
    read: () => bytesOf(store.get('name')),
    list: () => collect(store.list()),
    delete: () => store.delete('name'),
    create: () => store.create!('name', Buffer.from('x')),
    clean: () => store.clean!('key')
  }
  for (const [action, call] of Object.entries(calls)) {
    await assert.rejects(call, { code: 'IBT_STORE_FAILED', cause, message: new RegExp(action) })
  }
  const coded = new BackupError('IBT_LOCKED', 'mine')
  const own = defineStore({ ...smallest(), put: () => Promise.reject(coded) })
  await assert.rejects(own.put('name', []), error => error === coded)
})

test('a put that resolves although its source failed or had more is a failure', async () => {
  const failure = new Error('of the source')
  const deaf = defineStore({
    ...smallest(),
    put: async (_, chunks) => {
      for await (const _ of chunks) if (_.length === 3) return
    }
  })
  async function* failing() {
    yield Buffer.from('ab')
    throw failure
  }
  await assert.rejects(deaf.put('name', failing()), error => error === failure)
  await assert.rejects(deaf.put('name', [Buffer.from('abc'), Buffer.from('d')]), { code: 'IBT_STORE_FAILED' })
})

test('a definition without its functions is refused at the call', () => {
  for (const call of ['put', 'get', 'list', 'delete']) {
    assert.throws(() => defineStore({ ...smallest(), [call]: undefined } as never), TypeError)
  }
})

test('a wrapped store keeps its id, its places and what it can do; a call can be replaced and taken away', async t => {
  const path = temporaryDirectory(t)
  const store = directoryStore(path)
  const wrapped = wrapStore(store, {})
  assert.deepEqual([wrapped.id, wrapped.places], [store.id, [path]])
  assert.equal(await wrapped.clean!('key'), 0)
  assert.equal(await wrapped.create!('name', Buffer.from('x')), true)
  assert.equal(wrapStore(store, { create: undefined }).create, undefined)
  const deleted: string[] = []
  const watched = wrapStore(store, { delete: async name => void deleted.push(name) })
  await watched.delete('name')
  assert.deepEqual([deleted, (await collect(store.list())).length], [['name'], 1])
})

test('the places of what is wrapped and of the cache belong to a store', async t => {
  const [path, cachePath] = [temporaryDirectory(t), temporaryDirectory(t)]
  const store = wrapStore(directoryStore(path), { put: async () => {} })
  assert.deepEqual(cachedStore(store, directoryStore(cachePath)).places, [path, cachePath])
  // A store without an id of its own has no cache: nobody would find it again.
  assert.equal(openPlaces({ store: defineStore(smallest()), cache: cachePath }).cache, undefined)
})

test('a wrapped store inside its source is left out of the backup', async t => {
  const source = temporaryDirectory(t)
  const store = wrapStore(directoryStore(join(source, 'backups')), {})
  writeFileSync(join(source, 'file'), 'text')
  const first = await fullBackup(source, { store, cache: false, key: 'key' })
  const second = await fullBackup(source, { store, cache: false, key: 'key' })
  assert.deepEqual(second.leftOut, ['backups'])
  assert.equal(second.totals.entries, first.totals.entries)
  mkdirSync(join(source, 'sub'))
  for (const [files, leftOut] of [
    [['sub', 'file'], []],
    [['./sub/', 'backups/'], ['backups']],
    [[join(source, 'sub')], []],
    [['backups/x', 'file'], ['backups']],
    [['.'], ['backups']]
  ] as const) {
    const chosen = await fullBackup(source, { store, cache: false, key: 'key', rules: { files }, onError: () => {} })
    assert.deepEqual(chosen.leftOut, leftOut, files.join())
  }
})

test('a store that gives more than was asked for is refused', async () => {
  const whole = smallest()
  const store = defineStore({ ...whole, id: 'whole', get: name => whole.get(name, { start: 0 }, {}) })
  await store.put('a', [Buffer.from('0123456789')])
  assert.equal(String(await bytesOf(store.get('a'))), '0123456789')
  await assert.rejects(bytesOf(store.get('a', { start: 2, end: 4 })), { code: 'IBT_STORE_FAILED', path: 'a' })
})

test('a list that gives no sizes in bytes is refused, with the name', async () => {
  for (const sizeBytes of [undefined, '3', 3n, -1, Number.NaN]) {
    const store = defineStore({ ...smallest(), list: () => [{ name: 'named', sizeBytes: sizeBytes as number }] })
    await assert.rejects(collect(store.list()), { code: 'IBT_STORE_FAILED', message: /^The store lists named with/ })
  }
})
