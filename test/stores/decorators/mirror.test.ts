import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { fullBackup, incrementalBackup, restoreBackup, verifyBackup } from '../../../src/index.js'
import {
  type Behind,
  delayed,
  directoryStore,
  faulty,
  memoryStore,
  mirror,
  storeConformance,
  wrapStore
} from '../../../src/stores/index.js'
import type { Source, Store } from '../../../src/types.js'
import { bytesOf, code, collect } from '../../helpers/entries.js'
import { temporaryDirectory } from '../../native/tree.js'

const disk = () => directoryStore(temporaryDirectory({ after } as TestContext))
const plain = () => wrapStore(memoryStore(), { create: undefined, retain: undefined, clean: undefined })

storeConformance('mirror', () => mirror([memoryStore(), memoryStore()]), { test, many: true })
storeConformance('mirror on a disk, too', () => mirror([memoryStore(), disk()]), { test })
storeConformance('mirror of one', () => mirror([memoryStore()]), { test })
storeConformance(
  'mirror that drops',
  () => mirror([disk(), memoryStore(), memoryStore()], { quorum: 1, behind: 'drop' }),
  {
    test
  }
)
storeConformance('mirror of stores of which one retains', () => mirror([plain(), memoryStore()]), { test })
storeConformance('mirror with a slow store', () => mirror([memoryStore(), delayed(memoryStore(), 2)]), { test })

const names = async (store: Store) => (await collect(store.list())).map(({ name }) => name)
const text = async (store: Store, name: string) => (await bytesOf(store.get(name))).toString()
const dead = () => faulty(memoryStore(), () => 'before')

/** A store whose puts take nothing until they are let go. */
function stuck(store: Store) {
  let letGo = () => {}
  const free = new Promise<void>(resolve => {
    letGo = resolve
  })
  const put = async (name: string, source: Source<Uint8Array>, options?: object) => {
    await free
    await store.put(name, source, options)
  }
  return { store: wrapStore(store, { put }), letGo }
}

/** Counts the bytes that were pulled of it. */
function counted(chunks: number, sizeBytes: number) {
  const count = { bytes: 0 }
  const source = (async function* () {
    for (let i = 0; i < chunks; i++) {
      count.bytes += sizeBytes
      yield Buffer.alloc(sizeBytes, i)
    }
  })()
  return { source, count }
}

test('a slow store does not hold up the others within the buffer, and holds the source back behind it', async () => {
  const { store: slow, letGo } = stuck(memoryStore())
  const fast = memoryStore()
  const store = mirror([fast, slow], { bufferBytes: 100_000 })
  const small = store.put('small', [Buffer.alloc(50_000)])
  while ((await names(fast)).length === 0) await setImmediate()
  const { source, count } = counted(100, 10_000)
  const large = store.put('large', source)
  for (let i = 0; i < 200; i++) await setImmediate()
  assert.equal(count.bytes, 100_000)
  letGo()
  await Promise.all([small, large])
  assert.equal((await bytesOf(slow.get('large'))).length, 1_000_000)
  assert.deepEqual(
    [await names(fast), await names(slow)],
    [
      ['large', 'small'],
      ['large', 'small']
    ]
  )
})

test('a store that falls behind is dropped and reported, if the quorum does not need it', async () => {
  const { store: slow } = stuck(memoryStore())
  const [a, b] = [memoryStore(), memoryStore()]
  const reports: Behind[] = []
  const onBehind = (behind: Behind) => reports.push(behind)
  const store = mirror([slow, a, b], { quorum: 2, behind: 'drop', bufferBytes: 100_000, onBehind })
  await store.put('large', counted(100, 10_000).source)
  assert.deepEqual([await names(a), await names(b), await names(slow)], [['large'], ['large'], []])
  assert.deepEqual(
    reports.map(({ store, call, name, error }) => [store === slow, call, name, (error as Error).message]),
    [[true, 'put', 'large', 'The store fell behind the others with large, by more than 100000 bytes']]
  )
  const { store: needed, letGo } = stuck(memoryStore())
  const both = mirror([needed, a], { behind: 'drop', bufferBytes: 100_000 })
  const done = both.put('other', counted(100, 10_000).source)
  await setTimeout(20)
  letGo()
  await done
  assert.equal((await bytesOf(needed.get('other'))).length, 1_000_000)
})

test('stores of the same speed are not dropped, however fast the source is', async () => {
  const steady = () => {
    const inner = memoryStore()
    return wrapStore(inner, {
      put: (name, source, options) =>
        inner.put(
          name,
          (async function* () {
            for await (const chunk of source) {
              await setImmediate()
              yield chunk
            }
          })(),
          options
        )
    })
  }
  const stores = [steady(), steady(), steady()]
  const fail = ({ error }: Behind) => assert.fail(String(error))
  await mirror(stores, { quorum: 1, behind: 'drop', bufferBytes: 100_000, onBehind: fail }).put(
    'large',
    counted(300, 10_000).source
  )
  for (const store of stores) assert.deepEqual(await names(store), ['large'])
})

test('a put succeeds with the quorum and fails below it, before the source has ended', async () => {
  const alive = memoryStore()
  const reports: Behind[] = []
  const two = mirror([dead(), alive], { quorum: 1, onBehind: behind => reports.push(behind) })
  await two.put('name', [Buffer.from('x')])
  assert.deepEqual(await names(alive), ['name'])
  assert.deepEqual(
    reports.map(({ call, name }) => [call, name]),
    [['put', 'name']]
  )
  const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
  await assert.rejects(mirror([dead(), alive]).put('other', silent), { code: 'IBT_STORE_FAILED', path: 'other' })
  assert.deepEqual(await names(alive), ['name'])
})

test('a read goes on in the next store at the byte where it stopped, after an error and after an early end', async () => {
  for (const fault of ['before', 'within', 'short', 'after'] as const) {
    const [a, b, c] = [memoryStore(), memoryStore(), memoryStore()]
    const content = 'The quick brown fox'
    for (const store of [a, c]) await store.put('name', [Buffer.from(content)])
    const reports: Behind[] = []
    const bad = faulty(a, ({ call }) => (call === 'get' ? fault : undefined))
    const store = mirror([bad, b, c], { onBehind: behind => reports.push(behind) })
    assert.equal(await text(store, 'name'), content, fault)
    assert.equal((await bytesOf(store.get('name', { start: 4, end: 9 }))).toString(), 'quick', fault)
    assert.ok(reports.length >= 2 && reports.every(({ call }) => call === 'get'))
  }
})

test('a read does not go on in a store that has another content', async () => {
  const [a, b] = [memoryStore(), memoryStore()]
  await a.put('name', [Buffer.from('of the first')])
  await b.put('name', [Buffer.from('other')])
  const store = mirror([faulty(a, ({ call }) => (call === 'get' ? 'within' : undefined)), b])
  await collect(store.list())
  await assert.rejects(text(store, 'name'), { code: 'IBT_STORE_FAILED' })
})

test('a list is of all stores; as many may fail as leave one that has what the quorum stored', async () => {
  const [a, b] = [memoryStore(), memoryStore()]
  await a.put('only-a', [Buffer.from('x')])
  await b.put('only-b', [Buffer.from('xy')])
  for (const store of [a, b]) await store.put('both', [Buffer.from('x')])
  assert.deepEqual(await collect(mirror([a, b]).list()), [
    { name: 'both', sizeBytes: 1 },
    { name: 'only-a', sizeBytes: 1 },
    { name: 'only-b', sizeBytes: 2 }
  ])
  // With a quorum of all, each has everything.
  assert.deepEqual(await names(mirror([dead(), b])), ['both', 'only-b'])
  await assert.rejects(names(mirror([dead(), b], { quorum: 1 })), { code: 'IBT_STORE_FAILED' })
  await assert.rejects(text(mirror([dead(), b], { quorum: 1 }), 'only-a'), { code: 'IBT_STORE_FAILED' })
  await assert.rejects(text(mirror([dead(), b]), 'only-a'), { code: 'IBT_NOT_FOUND' })
})

test('a name that is deleted does not come back: the delete fails if one store cannot', async () => {
  const [a, b] = [memoryStore(), memoryStore()]
  const store = mirror([a, faulty(b, ({ call }) => (call === 'delete' ? 'before' : undefined))], { quorum: 1 })
  await store.put('name', [Buffer.from('x')])
  await assert.rejects(store.delete('name'), { code: 'IBT_STORE_FAILED' })
  assert.deepEqual([await names(a), await names(store)], [[], ['name']])
})

test('a name that one store has is not created: its lock is not taken from who holds it there', async () => {
  const [a, b, without] = [memoryStore(), memoryStore(), plain()]
  await b.put('k.lock', [Buffer.from('held')])
  const both = mirror([a, without, b])
  assert.equal(await both.create!('k.lock', Buffer.from('other')), false)
  assert.deepEqual([await names(a), await names(without), await text(b, 'k.lock')], [[], [], 'held'])
  await b.delete('k.lock')
  assert.equal(await both.create!('k.lock', Buffer.from('other')), true)
  for (const store of [a, without, b]) assert.equal(await text(store, 'k.lock'), 'other')
  await a.delete('k.lock')
  assert.equal(await mirror([b, a]).create!('k.lock', Buffer.from('third')), false)
  // One that cannot tell keeps what it has.
  const unable = plain()
  await unable.put('other.lock', [Buffer.from('theirs')])
  await b.put('other.lock', [Buffer.from('theirs')])
  assert.equal(await mirror([a, unable, b]).create!('other.lock', Buffer.from('mine')), false)
  assert.equal(String(await bytesOf(unable.get('other.lock'))), 'theirs')
  await assert.rejects(bytesOf(a.get('other.lock')), code('IBT_NOT_FOUND'))
})

test('a lock needs the first store, unless the quorum is more than half of stores that can all decide', async () => {
  const [b, c] = [memoryStore(), memoryStore()]
  const lock = Buffer.from('mine')
  const reports: Behind[] = []
  const most = mirror([dead(), b, c], { quorum: 2, onBehind: behind => reports.push(behind) })
  assert.equal(await most.create!('k.lock', lock), true)
  assert.deepEqual(
    reports.map(({ call, name }) => [call, name]),
    [['create', 'k.lock']]
  )
  // Another run, that can only reach the first store and one more, does not get it.
  const first = memoryStore()
  assert.equal(await mirror([first, dead(), c], { quorum: 2 }).create!('k.lock', Buffer.from('theirs')), false)
  assert.deepEqual([await names(first), await text(c, 'k.lock')], [[], 'mine'])
  for (const stores of [
    [dead(), b, plain()],
    [dead(), b, dead()]
  ]) {
    await assert.rejects(mirror(stores, { quorum: 2 }).create!('other.lock', lock), code('IBT_STORE_FAILED'))
  }
  await assert.rejects(mirror([dead(), b]).create!('other.lock', lock), code('IBT_STORE_FAILED'))
  // Each of two runs could reach another one.
  await assert.rejects(mirror([dead(), memoryStore()], { quorum: 1 }).create!('k.lock', lock), code('IBT_STORE_FAILED'))
})

test('one store that retains a name keeps all copies of it', async () => {
  const [a, b] = [plain(), memoryStore()]
  const store = mirror([a, b])
  await store.put('name', [Buffer.from('old')])
  await store.retain!('name', Date.now() + 60_000)
  await assert.rejects(store.put('name', [Buffer.from('new')]), { code: 'IBT_RETAINED' })
  await assert.rejects(store.delete('name'), { code: 'IBT_RETAINED' })
  assert.deepEqual([await text(a, 'name'), await text(b, 'name')], ['old', 'old'])
  const reports: Behind[] = []
  const twice = mirror([memoryStore(), b], { onBehind: behind => reports.push(behind) })
  await twice.retain!('name', Date.now() + 90_000)
  assert.deepEqual(
    reports.map(({ call, name }) => [call, name]),
    [['retain', 'name']]
  )
})

test('a store that misses an archive does not get the state of that backup, and gets the next backup', async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'x'.repeat(50_000))
  const [a, b] = [memoryStore(), memoryStore()]
  let fails = true
  const bad = faulty(b, ({ call, name }) =>
    fails && call === 'put' && /\.sigvault\./.test(name) ? 'before' : undefined
  )
  const reports: string[] = []
  const onBehind = ({ call, name }: Behind) => reports.push(`${call} ${name.split('.')[1]}`)
  const store = mirror([a, bad], { quorum: 1, onBehind })
  const options = { store, cache: false as const, key: 'key' }
  await fullBackup(source, options)
  assert.deepEqual(
    (await names(a)).map(name => name.split('.')[1]),
    ['full', 'sigvault', 'state']
  )
  assert.deepEqual(
    (await names(b)).map(name => name.split('.')[1]),
    ['full']
  )
  assert.deepEqual(reports, ['put sigvault', 'put state'])
  fails = false
  writeFileSync(join(source, 'new'), 'y')
  const { parent } = await incrementalBackup(source, options)
  assert.notEqual(parent, undefined)
  assert.deepEqual(
    (await names(b)).map(name => name.split('.')[1]),
    ['created', 'full', 'state']
  )
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
})

test('a backup in two stores is whole in each, and is read when either is gone', async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  const [a, b] = [directoryStore(join(base, 'a')), memoryStore()]
  const options = { store: mirror([a, b]), cache: false as const, key: 'key' }
  assert.deepEqual([options.store.id, options.store.places], [a.id, [join(base, 'a')]])
  for (let i = 0; i < 3; i++) {
    writeFileSync(join(source, `file-${i}`), Buffer.alloc(3_000_000 * i, i))
    await (i === 0 ? fullBackup : incrementalBackup)(source, options)
  }
  const stores = [a, b, mirror([a, dead()]), mirror([dead(), b])]
  for (const [i, store] of stores.entries()) {
    const one = { ...options, store }
    assert.equal((await restoreBackup('key', join(base, `out-${i}`), one)).files, 3)
    assert.deepEqual((await verifyBackup('key', { ...one, readData: true })).problems, [])
  }
})

test('an abort and an error of the source end all puts, and nothing is published', async () => {
  const stores = [memoryStore(), memoryStore()]
  const store = mirror(stores)
  const failing = (async function* () {
    yield Buffer.from('half')
    throw new Error('of the source')
  })()
  await assert.rejects(store.put('name', failing), { message: 'of the source' })
  const controller = new AbortController()
  const { store: slow } = stuck(memoryStore())
  const aborted = mirror([stores[0]!, slow], { bufferBytes: 1 }).put('name', counted(9, 9).source, controller)
  setImmediate().then(() => controller.abort(new Error('Enough')))
  // A store that does not hear an abort is waited for: its promise says when its work has stopped.
  const isSettled = await Promise.race([
    aborted.then(
      () => true,
      () => true
    ),
    setTimeout(50, false)
  ])
  assert.equal(isSettled, false)
  for (const one of stores) assert.deepEqual(await names(one), [])
})

test('a quorum that cannot be reached, and other wrong options, are refused at the call', () => {
  const stores = [memoryStore()]
  for (const quorum of [0, 2, 0.5]) assert.throws(() => mirror(stores, { quorum }), RangeError)
  assert.throws(() => mirror(stores, { bufferBytes: 0 }), RangeError)
  assert.throws(() => mirror(stores, { behind: 'x' as never }), TypeError)
  assert.throws(() => mirror([]), TypeError)
})
