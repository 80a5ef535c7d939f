import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { RateLimiter } from '../../../src/flow/rate.js'
import { fullBackup, incrementalBackup, listBackups, restoreBackup, verifyBackup } from '../../../src/index.js'
import {
  delayed,
  directoryStore,
  faulty,
  memoryStore,
  opaqueNames,
  prefixed,
  rateLimited,
  readOnly,
  storeConformance,
  tiered,
  wrapStore,
  writeOnly
} from '../../../src/stores/index.js'
import type { Store } from '../../../src/types.js'
import { bytesOf, collect } from '../../helpers/entries.js'
import { temporaryDirectory } from '../../native/tree.js'

const DATE = '20260101T000000.000Z'
const SECRET = 'a secret of 24 bytes ...'

const DECORATED: Readonly<Record<string, (path: string) => Store>> = {
  rateLimited: () => rateLimited(memoryStore(), '1G'),
  prefixed: path => prefixed(directoryStore(path), 'host1.'),
  'tiered, all kinds in one': () => tiered({ default: memoryStore() }),
  tiered: path => tiered({ state: memoryStore(), default: directoryStore(path) }),
  delayed: () => delayed(memoryStore(), 1),
  'faulty without a fault': () => faulty(memoryStore(), () => undefined),
  writeOnly: () => writeOnly(memoryStore())
}
for (const [name, make] of Object.entries(DECORATED)) {
  storeConformance(name, () => make(temporaryDirectory({ after } as TestContext)), { test })
}

// Long names do not fit: the rest of what a store promises is kept.
storeConformance(
  'opaqueNames',
  () => opaqueNames(directoryStore(temporaryDirectory({ after } as TestContext)), SECRET),
  {
    test: (title, body) => (title.endsWith('takes odd names') ? undefined : test(title, body))
  }
)

const names = async (store: Store) => (await collect(store.list())).map(({ name }) => name)

/** A small source, and what a backup needs. */
function source(t: TestContext) {
  const base = temporaryDirectory(t)
  const path = join(base, 'source')
  mkdirSync(path)
  writeFileSync(join(path, 'file'), 'x'.repeat(50_000))
  return { base, path, change: () => writeFileSync(join(path, 'file'), 'y'.repeat(60_000)) }
}

test('each decorator keeps the places of what it wraps', t => {
  const path = temporaryDirectory(t)
  const disk = () => directoryStore(path)
  const decorated = [
    ...[rateLimited(disk(), 1), prefixed(disk(), 'a.'), tiered({ state: memoryStore(), default: disk() })],
    ...[delayed(disk(), 1), faulty(disk(), () => undefined), readOnly(disk()), writeOnly(disk())],
    opaqueNames(disk(), SECRET)
  ]
  for (const store of decorated) assert.deepEqual(store.places, [path])
})

test('prefixed stores share a store and do not see each other; each has an id of its own', async () => {
  const shared = memoryStore()
  const [a, b] = [prefixed(shared, 'a.'), prefixed(shared, 'b.')]
  await a.put('name', [Buffer.from('of a')])
  await b.put('name', [Buffer.from('of b')])
  assert.deepEqual(await names(shared), ['a.name', 'b.name'])
  assert.deepEqual([await names(a), await names(b)], [['name'], ['name']])
  assert.equal((await bytesOf(b.get('name'))).toString(), 'of b')
  assert.equal(new Set([a.id, b.id, shared.id]).size, 3)
  for (const prefix of ['.a', 'a/', 'a~']) assert.throws(() => prefixed(shared, prefix), { code: 'IBT_NAME_INVALID' })
  assert.throws(() => prefixed(shared, 'x'.repeat(61)), RangeError)
})

test('backups of two hosts under one key live in one directory, and what is interrupted is cleaned', async t => {
  const { base, path, change } = source(t)
  const disk = directoryStore(join(base, 'store'))
  for (const host of ['host1.', 'host2.']) {
    const options = { store: prefixed(disk, host), cache: false as const, key: 'key' }
    await fullBackup(path, options)
    writeFileSync(join(base, 'store', `.${host}key.full.${DATE}.tar.zst.0123456789abcdef.tmp`), 'left')
    change()
    await incrementalBackup(path, options)
    assert.equal((await restoreBackup('key', join(base, host), options)).files, 1)
  }
  const left = (await names(disk)).filter(name => name.includes('.tmp'))
  assert.deepEqual(left, [])
})

test('tiers: states and locks go to one store, archives to another, and a chain that was moved is found', async t => {
  const { base, path, change } = source(t)
  const [hot, cold] = [memoryStore(), memoryStore()]
  const before = { store: cold, cache: false as const, key: 'key' }
  await fullBackup(path, before)
  const after = { ...before, store: tiered({ state: hot, sigvault: hot, default: cold }) }
  change()
  const { date } = await incrementalBackup(path, after)
  assert.deepEqual(await names(hot), [`key.sigvault.${date}.tar.zst`, `key.state.${date}.json.zst`])
  assert.equal((await collect(listBackups('key', after))).length, 2)
  assert.equal((await restoreBackup('key', join(base, 'out'), after)).files, 1)
  assert.deepEqual((await verifyBackup('key', { ...after, readData: true })).problems, [])
})

test('a tiered store deletes a name wherever it is, and retains it if all stores can', async () => {
  const [hot, cold] = [memoryStore(), memoryStore()]
  const state = `key.state.${DATE}.json.zst`
  const store = tiered({ state: hot, default: cold })
  await cold.put(state, [Buffer.from('of an earlier tier')])
  await store.retain!(state, Date.now() + 60_000)
  await assert.rejects(cold.delete(state), { code: 'IBT_RETAINED' })
  await assert.rejects(store.delete(state), { code: 'IBT_RETAINED' })
  await store.put(`key.full.${DATE}.tar`, [Buffer.from('x')])
  await store.delete(`key.full.${DATE}.tar`)
  assert.deepEqual(await names(store), [state])
  assert.equal(tiered({ state: hot, default: wrapStore(cold, { retain: undefined }) }).retain, undefined)
  assert.throws(() => tiered({} as never), TypeError)
})

test('a read-only store restores and verifies, and refuses to store', async t => {
  const { base, path } = source(t)
  const store = memoryStore()
  const options = { store, cache: false as const, key: 'key' }
  await fullBackup(path, options)
  const reading = { ...options, store: readOnly(store) }
  assert.equal((await restoreBackup('key', join(base, 'out'), reading)).files, 1)
  assert.deepEqual((await verifyBackup('key', { ...reading, readData: true })).problems, [])
  await assert.rejects(incrementalBackup(path, reading), { code: 'IBT_NOT_ALLOWED' })
  await assert.rejects(reading.store.delete('name'), { code: 'IBT_NOT_ALLOWED' })
  const { create, retain, clean } = reading.store
  assert.deepEqual([create, retain, clean], [undefined, undefined, undefined])
})

test('a write-only store takes a full and increments by the cache, and gives nothing of them back', async t => {
  const { base, path, change } = source(t)
  const inner = memoryStore()
  const options = { store: writeOnly(inner), cache: memoryStore(), key: 'key' }
  await fullBackup(path, options)
  change()
  const { parent, totals } = await incrementalBackup(path, options)
  assert.notEqual(parent, undefined)
  assert.equal(totals.updated, 1)
  for (const name of await names(inner))
    await assert.rejects(bytesOf(options.store.get(name)), { code: 'IBT_NOT_ALLOWED' })
  await assert.rejects(restoreBackup('key', join(base, 'no'), options), { code: 'IBT_NOT_ALLOWED' })
  assert.equal((await restoreBackup('key', join(base, 'out'), { ...options, store: inner, cache: false })).files, 1)
})

test('the calls of a rate-limited store share the rate, up and down by themselves', async () => {
  const taken: [string, number][] = []
  const limiter = (name: string) => {
    const made = new RateLimiter(Infinity)
    made.take = async sizeBytes => void taken.push([name, sizeBytes])
    return made
  }
  const store = rateLimited(memoryStore(), { up: limiter('up'), down: limiter('down') })
  await store.put('a', [Buffer.alloc(10)])
  await store.create!('b', Buffer.alloc(20))
  await bytesOf(store.get('a', { start: 7 }))
  assert.deepEqual(taken, [
    ['up', 10],
    ['up', 20],
    ['down', 3]
  ])
  assert.throws(() => rateLimited(memoryStore(), 0), RangeError)
  const aborted = new AbortController()
  const slow = rateLimited(memoryStore(), 1).put('a', [Buffer.alloc(100)], { signal: aborted.signal })
  aborted.abort(new Error('Enough'))
  await assert.rejects(slow, { message: 'Enough' })
})

test('a fault is where the plan says it is', async () => {
  const inner = memoryStore()
  await inner.put('name', [Buffer.from('abcd')])
  for (const fault of ['before', 'within', 'after'] as const) {
    const store = faulty(inner, ({ index }) => (index === 1 ? fault : undefined))
    await store.delete('other')
    await assert.rejects(store.put(fault, [Buffer.from('x')]), { code: 'IBT_STORE_FAILED' })
    await store.put('next', [Buffer.from('x')])
  }
  assert.deepEqual(await names(inner), ['after', 'name', 'next'])
  const short = faulty(inner, () => 'short')
  assert.equal((await bytesOf(short.get('name'))).toString(), 'ab')
})

test('opaque names show neither keys nor kinds nor dates, and are nothing without their secret', async t => {
  const { base, path, change } = source(t)
  const inner = directoryStore(join(base, 'store'))
  const options = { store: opaqueNames(inner, SECRET), cache: false as const, key: 'secret-key' }
  await fullBackup(path, options)
  change()
  const { files } = await incrementalBackup(path, options)
  const stored = await names(inner)
  assert.equal(stored.length, 6)
  for (const name of stored) assert.match(name, /^n[A-Za-z0-9_-]+$/)
  assert.ok((await names(options.store)).includes(files[0]!.name))
  await restoreBackup('secret-key', join(base, 'out'), options)
  assert.deepEqual((await verifyBackup('secret-key', { ...options, readData: true })).problems, [])
  const other = 'another secret of bytes'
  assert.deepEqual(await names(opaqueNames(inner, other, { shared: true })), [])
  await assert.rejects(names(opaqueNames(inner, other)), { code: 'IBT_OPAQUE_NAMES', message: /another secret/ })
  await assert.rejects(fullBackup(path, { ...options, store: inner }), { code: 'IBT_OPAQUE_NAMES' })
  await inner.put('readme.txt', [])
  for (const letters of ['', 'a', 'ab']) {
    const before = await names(inner)
    await options.store.put(`name${letters}`, [])
    const [name] = (await names(inner)).filter(one => !before.includes(one))
    await inner.put(`${name}A`, [])
    await options.store.delete(`name${letters}`)
  }
  assert.equal((await names(options.store)).length, 6)
  for (const odd of ['-', 'a b', '%2F%41', 'ünï-😀', 'UPPER', '\'"*?[x]', 'n'.repeat(150)]) {
    await options.store.put(odd, [Buffer.from(odd)])
    assert.equal(String(await bytesOf(options.store.get(odd))), odd)
  }
  assert.throws(() => opaqueNames(inner, 'short'), RangeError)
  await assert.rejects(options.store.put('k'.repeat(200), []), { code: 'IBT_NAME_INVALID' })
})
