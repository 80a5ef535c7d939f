import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  autoBackup,
  BackupError,
  fullBackup,
  incrementalBackup,
  listBackups,
  restoreBackup,
  verifyBackup
} from '../../../src/index.js'
import { storePath, toStore } from '../../../src/places/places.js'
import { directoryStore } from '../../../src/stores/directory.js'
import { memoryStore } from '../../../src/stores/memory.js'
import { wrapStore } from '../../../src/stores/wrap-store.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code, collect } from '../../helpers/entries.js'
import { temporaryDirectory } from '../../native/tree.js'

async function makeChain(t: TestContext, backups = 2): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t))
  writeFileSync(join(chain.source, 'file'), '0')
  await chain.full()
  for (let i = 1; i < backups; i++) {
    writeFileSync(join(chain.source, 'file'), `${i}`.repeat(i + 1))
    await chain.incremental()
  }
  return chain
}

test('one damaged state costs its own line of the list, and no restore of another date', async t => {
  const chain = await makeChain(t, 3)
  rmSync(chain.cachePath, { recursive: true })
  const [first, second, third] = chain.reports.map(({ date }) => date)
  truncateSync(chain.artifact('state', second!), 100)
  const listed = await collect(listBackups(undefined, chain.options))
  assert.deepEqual(
    listed.map(({ date, error }) => [date, error?.code]),
    [
      [first, undefined],
      [second, 'IBT_ARCHIVE_TRUNCATED'],
      [third, undefined]
    ]
  )
  await chain.assertRestores(third!)
  await chain.assertRestores(first!)
})

test('two states that were exchanged are believed by no reader', async t => {
  const chain = await makeChain(t)
  rmSync(chain.cachePath, { recursive: true })
  const options = { ...chain.options, cache: false as const }
  const [first, second] = chain.reports.map(({ date }) => chain.artifact('state', date))
  renameSync(first!, `${first}.aside`)
  renameSync(second!, first!)
  renameSync(`${first}.aside`, second!)
  const refused = { code: 'IBT_STATE_INVALID', message: /renamed or replaced/ }
  for (const { date } of chain.reports) {
    await assert.rejects(restoreBackup('key', join(chain.base, `out ${date}`), { ...options, at: date }), refused)
    assert.equal((await verifyBackup('key', { ...options, at: date })).problems[0]!.code, 'IBT_STATE_INVALID')
  }
  assert.deepEqual(
    (await collect(listBackups('key', options))).map(({ error }) => error?.code),
    ['IBT_STATE_INVALID', 'IBT_STATE_INVALID']
  )
  await assert.rejects(incrementalBackup(chain.source, options), refused)
})

test('a state under the name of another key is not believed', async t => {
  const chain = await makeChain(t, 1)
  for (const name of readdirSync(chain.storePath)) {
    renameSync(join(chain.storePath, name), join(chain.storePath, name.replace('key.', 'other.')))
  }
  const options = { ...chain.options, key: 'other', cache: false as const }
  await assert.rejects(restoreBackup('other', join(chain.base, 'out'), options), code('IBT_STATE_INVALID'))
})

test('a store that shows nothing of what the cache knows is refused before anything is written', async t => {
  const chain = await makeChain(t)
  renameSync(chain.storePath, `${chain.storePath} on its disk`)
  const { source, options, storePath } = chain
  for (const run of [autoBackup, fullBackup, incrementalBackup]) {
    await assert.rejects(run(source, options), code('IBT_STORE_EMPTY'))
    await assert.rejects(run(source, { ...options, dryRun: true }), code('IBT_STORE_EMPTY'))
  }
  assert.equal(readdirSync(chain.base).includes('store'), false)
  mkdirSync(storePath)
  writeFileSync(join(storePath, 'lost+found'), '')
  await assert.rejects(autoBackup(source, options), code('IBT_STORE_EMPTY'))
  assert.deepEqual(readdirSync(storePath), ['lost+found'])
  // Another key is begun, and so is this one where that is wanted.
  assert.equal((await autoBackup(source, { ...options, key: 'other' })).kind, 'full')
  assert.equal((await autoBackup(source, { ...options, init: true })).kind, 'full')
  assert.equal((await autoBackup(source, options)).kind, 'incremental')
})

test('a first run takes no extra step, also where the cache knows other keys or stores', async t => {
  const chain = await makeChain(t)
  const options = { ...chain.options, store: join(chain.base, 'another') }
  assert.equal((await autoBackup(chain.source, options)).kind, 'full')
  assert.equal((await autoBackup(chain.source, { ...chain.options, key: 'first' })).kind, 'full')
})

test('a lock that cannot be released is reported, and the next run of the process goes on', async t => {
  const source = temporaryDirectory(t)
  const memory = memoryStore()
  let isBroken = true
  const store = wrapStore(memory, {
    async delete(name, options) {
      if (isBroken && name.endsWith('.lock')) throw new Error('No answer')
      await memory.delete(name, options)
    }
  })
  const errors: BackupError[] = []
  const onError = (error: BackupError) => errors.push(error)
  const options = { store, cache: false as const, key: 'key' }
  const { isStored } = await fullBackup(source, { ...options, onError })
  assert.deepEqual([isStored, errors.map(error => error.code)], [true, ['IBT_STORE_FAILED']])
  const failure = new BackupError('IBT_READ_FAILED', 'of the run')
  const commits = () => Promise.reject(failure)
  await assert.rejects(
    fullBackup(source, { ...options, onError, stages: { publish: commits } as object }),
    error => error === failure
  )
  // An observer that throws cannot end a run that has ended.
  const loud = () => {
    throw new Error('of the observer')
  }
  assert.equal((await incrementalBackup(source, { ...options, onError: loud })).isStored, true)
  isBroken = false
  assert.equal((await incrementalBackup(source, options)).isStored, true)
  assert.ok((await collect(memory.list())).every(({ name }) => !name.endsWith('.lock')))
})

test('a run whose lock was taken over while it stood still ends before it commits', async t => {
  const source = temporaryDirectory(t)
  const memory = memoryStore()
  const store = wrapStore(memory, {
    async put(name, chunks, options) {
      await memory.put(name, chunks, options)
      if (name.includes('.full.')) await memory.delete('key.lock')
    }
  })
  await assert.rejects(fullBackup(source, { store, cache: false, key: 'key' }), code('IBT_LOCKED'))
  assert.deepEqual(await collect(memory.list()), [])
})

test('a name of another machine, or of a home directory that no shell has found, is not made a directory here', async t => {
  const base = temporaryDirectory(t)
  const before = process.cwd()
  process.chdir(base)
  t.after(() => process.chdir(before))
  const remote = ['gopher://host/path', 'host:path', 'user@host:/path', 'rclone:remote:', '~/store', '~']
  const urls = ['s3://bucket/path', 'https://host/path', 'file:///x']
  for (const name of remote) await assert.rejects(fullBackup(base, { store: name, cache: false }), RangeError)
  for (const name of [...remote, ...urls]) {
    assert.throws(() => storePath(name), RangeError, name)
    await assert.rejects(fullBackup(base, { store: './store', cache: name }), RangeError)
  }
  await assert.rejects(restoreBackup('k', '~/restored', { store: './store', cache: false }), RangeError)
  assert.deepEqual(readdirSync(base), [])
  mkdirSync('there:is')
  const local = ['/a:b', './host:path', '../host:path', 'plain', 'a/b:c', 'there:is', './~', '~store']
  for (const name of local) assert.equal(toStore(name).places!.length, 1)
})

test('where the temporary directory is not wanted, a store has to be named', t => {
  const before = process.env.IBT_STORE
  t.after(() => (before === undefined ? delete process.env.IBT_STORE : (process.env.IBT_STORE = before)))
  delete process.env.IBT_STORE
  assert.throws(() => storePath(undefined, { allowTemporary: false }), RangeError)
  assert.ok(storePath(undefined).startsWith('/'))
  process.env.IBT_STORE = '/named'
  assert.equal(storePath(undefined, { allowTemporary: false }), '/named')
  assert.equal(storePath('/given', { allowTemporary: false }), '/given')
})

test('a directory store has a place, and a store by name has it too', () => {
  assert.deepEqual(directoryStore('/x').places, ['/x'])
  assert.deepEqual(toStore('/x').places, ['/x'])
})
