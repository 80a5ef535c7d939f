import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { compareBackups, fullBackup, listBackups, listEntries } from '../../src/index.js'
import { directoryStore, memoryStore } from '../../src/stores/index.js'
import type { ByteRange, Store } from '../../src/types.js'
import { NaiveChain } from '../helpers/chain.js'
import { code, collect } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

async function makeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t))
  mkdirSync(join(chain.source, 'd'))
  writeFileSync(join(chain.source, 'd/file'), createRandom(1).bytes(30_000))
  writeFileSync(join(chain.source, 'same'), 'same')
  writeFileSync(join(chain.source, 'gone'), 'gone')
  await chain.full()
  writeFileSync(join(chain.source, 'd/file'), createRandom(2).bytes(30_000))
  await chain.incremental()
  rmSync(join(chain.source, 'gone'))
  renameSync(join(chain.source, 'same'), join(chain.source, 'moved'))
  symlinkSync('target', join(chain.source, 'link'))
  await chain.incremental()
  return chain
}

test('backups are listed oldest first, each with its parent', async t => {
  const chain = await makeChain(t)
  const listed = await collect(listBackups('key', chain.options))
  const dates = chain.reports.map(({ date }) => date)
  assert.deepEqual(
    listed.map(({ key, date, kind, parent }) => [key, date, kind, parent]),
    [
      ['key', dates[0], 'full', undefined],
      ['key', dates[1], 'incremental', dates[0]],
      ['key', dates[2], 'incremental', dates[1]]
    ]
  )
  for (const [i, { totals, storedBytes }] of listed.entries()) {
    assert.deepEqual(totals, chain.reports[i]!.totals)
    assert.equal(storedBytes, chain.reports[i]!.storedBytes)
  }
})

test('a full whose archive is gone is still listed as one', async t => {
  const chain = await makeChain(t)
  rmSync(chain.artifact('full', ''))
  const listed = await collect(listBackups('key', chain.options))
  assert.deepEqual(
    listed.map(({ kind }) => kind),
    ['full', 'incremental', 'incremental']
  )
})

test('a list reads the ends of states, and fills no cache', async t => {
  const chain = await makeChain(t)
  const cache = memoryStore()
  const stored = directoryStore(chain.storePath)
  const asked: (ByteRange | undefined)[] = []
  const store: Store = {
    id: stored.id,
    put: () => assert.fail('put'),
    delete: () => assert.fail('deleted'),
    list: (prefix, options) => stored.list(prefix, options),
    get(name, range, options) {
      asked.push(range)
      return stored.get(name, range, options)
    }
  }
  assert.equal((await collect(listBackups(undefined, { store, cache }))).length, 3)
  assert.deepEqual(await collect(cache.list()), [])
  assert.ok(asked.every(range => range?.end !== undefined))
})

test('all keys of a store are listed, and nothing that is no artifact', async t => {
  const chain = await makeChain(t)
  const store = memoryStore()
  assert.deepEqual(await collect(listBackups(undefined, { store, cache: false })), [])
  for (const key of ['b', 'a', 'a.b']) await fullBackup(chain.source, { store, cache: false, key })
  await store.put('a.notes', [Buffer.from('x')])
  const listed = await collect(listBackups(undefined, { store, cache: false }))
  assert.deepEqual(
    listed.map(({ key }) => key),
    ['a', 'a.b', 'b']
  )
  assert.deepEqual(await collect(listBackups('c', { store, cache: false })), [])
})

test('the entries of a date come in path order', async t => {
  const chain = await makeChain(t)
  const [first] = chain.reports
  const paths = async (at?: string) => (await collect(listEntries('key', { ...chain.options, at }))).map(e => e.path)
  assert.deepEqual(await paths(first!.date), ['.', 'd', 'd/file', 'gone', 'same'])
  assert.deepEqual(await paths(), ['.', 'd', 'd/file', 'link', 'moved'])
  await assert.rejects(paths('2001-01-01'), code('IBT_NO_BACKUP'))
})

test('two backups are compared: by default the newest with the one before', async t => {
  const chain = await makeChain(t)
  const [first, second] = chain.reports
  const compare = async (options: object) =>
    (await collect(compareBackups('key', { ...chain.options, ...options }))).map(({ path, change }) => [path, change])
  const newest = [
    ['.', 'touched'],
    ['gone', 'deleted'],
    ['link', 'created'],
    ['moved', 'created'],
    ['same', 'deleted']
  ]
  assert.deepEqual(await compare({}), newest)
  assert.deepEqual(await compare({ to: second!.date }), [['d/file', 'updated']])
  assert.deepEqual(await compare({ from: first!.date }), [newest[0], ['d/file', 'updated'], ...newest.slice(1)])
  assert.deepEqual(await compare({ from: second!.date, to: second!.date }), [])
  assert.deepEqual(await compare({ to: first!.date }), [])
})

test('a reader that stops early leaves nothing open', async t => {
  const chain = await makeChain(t)
  for await (const _ of listEntries('key', chain.options)) break
  for await (const _ of compareBackups('key', chain.options)) break
  for await (const _ of listBackups('key', chain.options)) break
})
