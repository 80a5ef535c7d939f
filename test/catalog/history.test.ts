import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { entryHistory } from '../../src/index.js'
import { directoryStore } from '../../src/stores/index.js'
import { NaiveChain } from '../helpers/chain.js'
import { code, collect } from '../helpers/entries.js'
import { FarStore } from '../helpers/far-store.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

test('a path comes, changes, goes and comes back, and its archives are named', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  const path = join(chain.source, 'd/file')
  mkdirSync(join(chain.source, 'd'))
  await chain.full()
  const bytes = createRandom(1).bytes(100_000)
  const steps: (() => void)[] = [
    () => writeFileSync(path, bytes),
    () => {
      bytes[50_000] = bytes[50_000]! ^ 1
      writeFileSync(path, bytes)
    },
    () => writeFileSync(join(chain.source, 'other'), 'x'),
    // Whatever the umask, it was not this before.
    () => chmodSync(path, 0o400),
    () => rmSync(path),
    () => symlinkSync('target', path)
  ]
  for (const step of steps) {
    step()
    await chain.incremental()
  }
  await chain.full()
  rmSync(path)
  writeFileSync(path, 'x')
  await chain.incremental()
  const dates = chain.reports.map(({ date }) => date)
  const events = await collect(entryHistory('key', './d/file', chain.options))
  assert.deepEqual(
    events.map(({ date, change }) => [dates.indexOf(date), change]),
    [
      [1, 'created'],
      [2, 'updated'],
      [4, 'touched'],
      [5, 'deleted'],
      [6, 'created'],
      [8, 'created']
    ]
  )
  const entries = events.map(event => (event.error === undefined ? event.entry : undefined))
  const held = entries.map(entry => entry?.places?.map(place => [place.in, dates.indexOf(place.date)]))
  assert.deepEqual(held.slice(0, 3), [
    [['created', 1]],
    [
      ['created', 1],
      ['updated', 2]
    ],
    [
      ['created', 1],
      ['updated', 2]
    ]
  ])
  assert.equal(entries[3]?.sizeBytes, 100_000)
  assert.deepEqual(
    (await collect(entryHistory('key', 'other', chain.options))).map(({ date, change }) => [
      dates.indexOf(date),
      change
    ]),
    [
      [3, 'created'],
      [7, 'unchanged']
    ],
    'a full stores it again'
  )
  assert.deepEqual(await collect(entryHistory('key', 'd/nosuch', chain.options)), [])
})

test('a state that cannot be read costs its own event', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  for (let i = 0; i < 3; i++) {
    writeFileSync(join(chain.source, 'file'), 'x'.repeat(i + 1))
    await (i === 0 ? chain.full() : chain.incremental())
  }
  const state = chain.artifact('state', chain.reports[1]!.date)
  writeFileSync(state, readFileSync(state).subarray(0, -20))
  const events = await collect(entryHistory('key', 'file', chain.options))
  assert.deepEqual(
    events.map(({ change, error }) => change ?? error?.code),
    ['created', 'IBT_ARCHIVE_TRUNCATED', 'updated']
  )
  await assert.rejects(collect(entryHistory('other', 'file', chain.options)), code('IBT_NO_BACKUP'))
})

test('of each small state one request is made, several at a time', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  const backups = 12
  for (let i = 0; i < backups; i++) {
    writeFileSync(join(chain.source, 'file'), 'x'.repeat(i + 1))
    await (i === 0 ? chain.full() : chain.incremental())
  }
  const far = new FarStore(directoryStore(chain.storePath), 20)
  const events = await collect(entryHistory('key', 'file', { ...chain.options, store: far.store }))
  assert.equal(events.length, backups)
  assert.equal(far.take(), 1 + backups)
  for await (const _ of entryHistory('key', 'file', { ...chain.options, store: far.store })) break
})
