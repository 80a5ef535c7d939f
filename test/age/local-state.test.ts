import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { age } from '../../src/age/index.js'
import { KeyLog } from '../../src/age/key-log.js'
import { type BackupError, fullBackup, incrementalBackup, listBackups } from '../../src/index.js'
import { cachedStore } from '../../src/stores/cached-store.js'
import { memoryStore, storeConformance, wrapStore, writeOnly } from '../../src/stores/index.js'
import type { Store } from '../../src/types.js'
import { code, collect } from '../helpers/entries.js'
import { makeKeyPair } from '../helpers/keys.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const recovery = await makeKeyPair()
const STATE = 'key.state.20261123T000000.000Z.json.zst.age'
const names = async (store: Store) => (await collect(store.list())).map(({ name }) => name)

storeConformance(
  'cachedStore with copies that are kept',
  () => cachedStore(memoryStore(), memoryStore(), { isKept: true }),
  {
    test
  }
)

function makeDesk(t: TestContext) {
  const base = temporaryDirectory(t)
  const source = temporaryDirectory(t)
  const localState = join(base, 'local')
  const store = memoryStore()
  const body = createRandom(1).bytes(300_000)
  const edit = (round: number) => {
    body[round * 1000]! ^= 1
    writeFileSync(join(source, 'large'), body)
    writeFileSync(join(source, `new ${round}`), 'new')
    if (round > 0) renameSync(join(source, `new ${round - 1}`), join(source, `moved ${round - 1}`))
  }
  const encrypt = age({ recipients: [recovery.recipient], localState })
  return { source, localState, store, edit, options: { key: 'key', encrypt, localState } }
}

test('a store that gives back nothing of a backup is enough, with renames and deltas', async t => {
  const { source, store, edit, options } = makeDesk(t)
  const blind = writeOnly(store)
  edit(0)
  await fullBackup(source, { ...options, store: blind })
  for (const round of [1, 2, 3]) {
    edit(round)
    const { totals, files } = await incrementalBackup(source, { ...options, store: blind })
    assert.equal(totals.updated, 1)
    assert.ok(files.some(({ kind }) => kind === 'updated'))
  }
  const listed = await collect(
    listBackups('key', { store: blind, localState: options.localState, codecs: [options.encrypt] })
  )
  assert.deepEqual(
    listed.map(({ kind, error }) => [kind, error]),
    ['full', 'incremental', 'incremental', 'incremental'].map(kind => [kind, undefined])
  )
})

test('a copy is there before the store has the artifact, and goes after it', async () => {
  const [store, local] = [memoryStore(), memoryStore()]
  const seen: string[][] = []
  const watched = wrapStore(store, {
    async put(name, source, options) {
      await store.put(name, source, options)
      seen.push(await names(local))
    },
    async delete(name, options) {
      await store.delete(name, options)
      seen.push(await names(local))
    }
  })
  const kept = cachedStore(watched, local, { isKept: true })
  await kept.put(STATE, [Buffer.from('state')])
  await kept.delete(STATE)
  assert.deepEqual(seen, [[STATE], [STATE]])
  assert.deepEqual(await names(local), [])
  // A store that keeps it keeps the copy; a copy that cannot be made stops the put.
  const failing = wrapStore(store, { delete: () => Promise.reject(new Error('No answer')) })
  await cachedStore(failing, local, { isKept: true }).put(STATE, [Buffer.from('state')])
  await assert.rejects(cachedStore(failing, local, { isKept: true }).delete(STATE))
  assert.deepEqual(await names(local), [STATE])
  const full = wrapStore(local, { put: () => Promise.reject(new Error('The disk is full')) })
  const other = STATE.replace('1123', '1124')
  await assert.rejects(cachedStore(store, full, { isKept: true }).put(other, [Buffer.from('state')]), /disk is full/)
  assert.deepEqual(await names(store), [STATE])
})

test('a damaged copy is fetched again, and its key is still known', async t => {
  const { source, store, edit, localState, options } = makeDesk(t)
  edit(0)
  const { files } = await fullBackup(source, { ...options, store })
  const copy = join(localState, files.find(({ kind }) => kind === 'state')!.name)
  writeFileSync(copy, 'damaged')
  edit(1)
  await incrementalBackup(source, { ...options, store })
  assert.notEqual(readFileSync(copy, 'latin1'), 'damaged')
  rmSync(copy)
  edit(2)
  await incrementalBackup(source, { ...options, store })
  // The store is empty, and the copies know better: its disk may not be mounted.
  await assert.rejects(incrementalBackup(source, { ...options, store: memoryStore() }), code('IBT_STORE_EMPTY'))
})

test('the local state is left out of a source that it lies in', async t => {
  const { source, store, edit, options } = makeDesk(t)
  edit(0)
  const localState = join(source, 'state')
  const encrypt = age({ recipients: [recovery.recipient], localState })
  await fullBackup(source, { ...options, store, encrypt, localState })
  const { leftOut } = await incrementalBackup(source, { ...options, store, encrypt, localState })
  assert.deepEqual(leftOut, ['state'])
})

test('keys are added to a file that a crash has cut off, by several at a time, and are read by the next', async t => {
  const directory = join(temporaryDirectory(t), 'new')
  const ids = Array.from({ length: 20 }, (_, i) => i.toString(16).padStart(64, '0'))
  const keyOf = (i: number) => Buffer.alloc(16, i + 1)
  const logs = [new KeyLog(directory), new KeyLog(directory)]
  await Promise.all(ids.map((id, i) => logs[i % 2]!.add(id, keyOf(i))))
  appendFileSync(join(directory, 'file-keys.txt'), `${'a'.repeat(64)} 0011`)
  await new KeyLog(directory).add('b'.repeat(64), keyOf(99))
  const fresh = new KeyLog(directory)
  for (const [i, id] of ids.entries()) assert.deepEqual(Buffer.from((await fresh.get(id))!), keyOf(i))
  assert.deepEqual(Buffer.from((await fresh.get('b'.repeat(64)))!), keyOf(99))
  assert.equal(await fresh.get('a'.repeat(64)), undefined)
  const blocked = new KeyLog(join(directory, 'file-keys.txt', 'x'))
  await assert.rejects(blocked.get('c'.repeat(64)), (error: BackupError) => error.code === 'IBT_READ_FAILED')
})
