import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  Chain,
  gzip,
  listBackups,
  listEntries,
  type MergeOptions,
  mergeBackups,
  type RunOptions,
  type StateEntry,
  verifyBackup
} from '../../../src/index.js'
import { storesThenFails } from '../../../src/stores/failing-store.js'
import { directoryStore } from '../../../src/stores/index.js'
import { acquireLock } from '../../../src/stores/lock.js'
import { wrapStore } from '../../../src/stores/wrap-store.js'
import { assertRestoresByHand, BY_HAND_TOOLS } from '../../helpers/by-hand.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code, collect } from '../../helpers/entries.js'
import { interrupted } from '../../helpers/interrupted.js'
import { oracle } from '../../helpers/oracle.js'
import { Tree } from '../../helpers/tree.js'
import { temporaryDirectory } from '../../native/tree.js'

const EDITS: readonly ((tree: Tree) => void)[] = [
  tree => tree.splice('grows', 1000, 0, 500),
  tree => {
    tree.splice('grows', 30_000, 200, 100)
    tree.rename('stays', 'd/moved')
    tree.remove('goes')
    tree.file('comes', 30_000)
  },
  tree => {
    tree.splice('grows', 0, 0, 3)
    tree.splice('d/moved', 10_000, 0, 10)
    tree.splice('hard', 5, 1, 1)
  },
  tree => {
    tree.file('goes', 'is back')
    tree.file('grows', 70_000)
    tree.chmod('small', 0o600)
  },
  tree => {
    tree.splice('grows', 50_000, 0, 900)
    tree.splice('hard', 19_000, 0, 40)
  }
]

/** A full and five increments: deltas, one with renames in between, deletions, hard links, a sparse file. */
async function makeChain(t: TestContext, options: RunOptions = {}): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, ...options })
  const tree = new Tree(chain.source, 1)
  tree.directory('d')
  for (const [name, size] of Object.entries({ grows: 60_000, stays: 40_000, goes: 20_000, hard: 20_000, empty: 0 }))
    tree.file(name, size)
  tree.file('small', 'text')
  tree.link('d/hard too', 'hard')
  tree.symlink('link', 'small')
  writeSync(openSync(tree.at('sparse'), 'w'), tree.random(5000), 0, 5000, 3_000_000)
  await chain.full()
  for (const edit of EDITS) {
    edit(tree)
    await chain.incremental()
  }
  return chain
}

const dates = (chain: NaiveChain) => chain.reports.map(({ date }) => date)
const open = (chain: NaiveChain) => Chain.open(directoryStore(chain.storePath), 'key')
const merge = (chain: NaiveChain, options: MergeOptions = {}) =>
  mergeBackups('key', { store: chain.storePath, cache: false, ...options })

/** Removes all that restores of these dates do not need, by what the chain says. */
async function keepOnly(chain: NaiveChain, kept: readonly string[]): Promise<void> {
  const opened = await open(chain)
  const needed = new Set<string>()
  for (const date of kept) for (const { name } of await opened.needs(date)) needed.add(name)
  for (const { name } of opened.artifacts) if (!needed.has(name)) rmSync(join(chain.storePath, name))
}

async function assertAll(chain: NaiveChain, kept = dates(chain)): Promise<void> {
  for (const at of kept) await chain.assertRestores(at)
  for (const at of kept) {
    const { problems } = await verifyBackup('key', { store: chain.storePath, cache: false, at, readData: true })
    assert.deepEqual(problems, [], at)
  }
  const listed = await collect(listBackups('key', { store: chain.storePath, cache: false }))
  assert.deepEqual(
    listed.map(({ date }) => date),
    kept
  )
}

for (const index of [3, 5]) {
  test(
    `date ${index} becomes a full, and every date comes back, also without what it replaces`,
    oracle('rsync'),
    async t => {
      const chain = await makeChain(t)
      const at = dates(chain)[index]!
      const before = await said(chain, at)
      const report = await merge(chain, { at })
      assert.deepEqual([report.date, report.kind, report.isStored], [at, 'full', true])
      assert.deepEqual(await said(chain, at), before)
      await assertAll(chain)
      const kept = dates(chain).slice(index)
      await keepOnly(chain, kept)
      const { notes } = await verifyBackup('key', { store: chain.storePath, cache: false })
      const gone = `${index} earlier backups of the chain, the oldest of ${dates(chain)[0]}, are not in the store any more`
      assert.deepEqual(notes, index === 5 ? [] : [gone])
      assert.equal(chain.stored('full').length, 1)
      assert.ok(statSync(chain.artifact('full', at)).size < 400_000)
      new Tree(chain.source, 7).splice('grows', 100, 0, 9)
      const next = await chain.incremental()
      assert.ok(next.storedBytes < 10_000, `the next increment has ${next.storedBytes} bytes`)
      await assertAll(chain, [...kept, next.date])
      assert.equal((await merge(chain, { at })).wasMerged, true)
    }
  )
}

/** What the state of a date says, but for where contents are. */
async function said(chain: NaiveChain, at: string): Promise<unknown[]> {
  const entries = await collect(listEntries('key', { store: chain.storePath, cache: false, at }))
  return entries.map((entry: StateEntry & { knownAs?: unknown }) => {
    const { places, signature, knownAs, ...rest } = entry
    return rest
  })
}

for (const [from, to] of [
  [0, 3],
  [1, 5]
] as const) {
  test(`the increments behind date ${from} up to ${to} become one`, oracle('rsync'), async t => {
    const chain = await makeChain(t)
    const [after, date] = [dates(chain)[from]!, dates(chain)[to]!]
    const report = await merge(chain, { from: after, to: date })
    assert.deepEqual([report.date, report.after, report.kind], [date, after, 'incremental'])
    await assertAll(chain)
    const kept = dates(chain).filter((_, i) => i <= from || i >= to)
    await keepOnly(chain, kept)
    const next = await chain.incremental()
    await assertAll(chain, [...kept, next.date])
  })
}

test('deltas on an earlier content become one delta', async t => {
  const chain = await makeChain(t)
  const [from, , , to] = dates(chain)
  const { files } = await merge(chain, { from, to })
  const entries = await collect((await open(chain)).entries(to!))
  const { places = [] } = entries.find(({ path }) => path === 'grows')!
  assert.deepEqual(
    places.map(place => place.in),
    ['full', 'updated']
  )
  assert.ok(places[1]!.sizeBytes! < 12_000)
  assert.deepEqual(files.map(({ kind }) => kind).sort(), ['created', 'state', 'updated'])
})

test('what was merged, and merged again, is restored by hand', oracle(...BY_HAND_TOOLS), async t => {
  const chain = await makeChain(t)
  const all = dates(chain)
  await merge(chain, { from: all[1], to: all[3] })
  await merge(chain, { at: all[1] })
  const kept = [all[1]!, all[3]!, all[4]!, all[5]!]
  await keepOnly(chain, kept)
  for (const date of kept) assertRestoresByHand(chain, date)
  await merge(chain, { at: all[5] })
  const { date } = await chain.incremental()
  assertRestoresByHand(chain, date)
  await assertAll(chain, [...kept, date])
})

test('a merge writes what the readers of the chain can read', async t => {
  const chain = await makeChain(t, { codec: gzip() })
  const { files } = await merge(chain)
  for (const { name } of files) assert.match(name, /\.asof-.*\.gz$/)
})

test('a dry run says how much is read and written, and writes nothing; too much is refused', async t => {
  const chain = await makeChain(t)
  const before = chain.stored()
  const { bodyBytes, readBytes, isStored } = await merge(chain, { dryRun: true })
  const sizes = readdirSync(chain.source, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const bytes = sizes.reduce(
    (sum, { parentPath, path, name }) => sum + statSync(join(parentPath ?? path, name)).size,
    0
  )
  assert.equal(bodyBytes, bytes - statSync(join(chain.source, 'hard')).size)
  assert.ok(readBytes > 100_000)
  assert.equal(isStored, false)
  await assert.rejects(merge(chain, { maxBytes: bodyBytes - 1 }), RangeError)
  assert.deepEqual(chain.stored(), before)
  await merge(chain, { maxBytes: bodyBytes })
})

test('dates that no fold can have are refused, and nothing is done', async t => {
  const chain = await makeChain(t)
  const before = chain.stored()
  const [first, second] = dates(chain)
  await assert.rejects(merge(chain, { from: second, to: first }), RangeError)
  await assert.rejects(merge(chain, { from: second, to: second }), RangeError)
  await assert.rejects(merge(chain, { to: second }), TypeError)
  await assert.rejects(merge(chain, { at: first, from: first }), TypeError)
  const { date } = await chain.full()
  await assert.rejects(merge(chain, { from: second, to: date }), code('IBT_NO_BACKUP'))
  assert.equal(chain.stored().length, before.length + 3)
})

// What users of tools that merge report: races, stores that fail, lists that look empty, locks.

test('a merge holds the lock on the key', async t => {
  const chain = await makeChain(t)
  const store = directoryStore(chain.storePath)
  const refused = () => assert.rejects(merge(chain), code('IBT_LOCKED'))
  const lock = await acquireLock(store, 'key')
  await refused()
  await lock.release()
  await merge(chain, { store: interrupted(store, refused) })
  assert.equal(chain.stored().filter(name => name.includes('.state.') && name.includes('asof')).length, 1)
})

test('a content that is not what was backed up stops the merge, and the chain is as it was', async t => {
  const chain = await makeChain(t)
  const path = chain.artifact('updated', dates(chain)[2]!)
  const bytes = readFileSync(path)
  bytes.fill(7, bytes.length >> 1, (bytes.length >> 1) + 50)
  writeFileSync(path, bytes)
  const before = digests(chain)
  for (const options of [{ at: dates(chain)[2] }, { from: dates(chain)[0], to: dates(chain)[3] }])
    await assert.rejects(merge(chain, options), /IBT_|damaged|not what|cannot/i)
  assert.deepEqual(digests(chain), before)
})

function digests(chain: NaiveChain): [string, string][] {
  return chain.stored().map(name => {
    const bytes = readFileSync(join(chain.storePath, name))
    return [name, createHash('sha256').update(bytes).digest('hex')]
  })
}

test(
  'a store that fails anywhere leaves the chain as it was, and the next merge succeeds',
  oracle('rsync'),
  async t => {
    const chain = await makeChain(t)
    const before = digests(chain)
    const real = directoryStore(chain.storePath)
    for (const kind of ['full', 'sigvault', 'state']) {
      const breaks = wrapStore(real, {
        put: async (name, source, options) => {
          if (!name.includes(`.${kind}.`)) return real.put(name, source, options)
          for await (const _ of source) break
          throw new Error('The disk is full')
        }
      })
      await assert.rejects(merge(chain, { store: breaks }), /The disk is full/)
      assert.deepEqual(digests(chain), before, kind)
      // It did store, and said that it did not.
      const lies = storesThenFails(real, name => name.includes(`.${kind}.`))
      await assert.rejects(merge(chain, { store: lies }), code('IBT_STORE_FAILED'))
      assert.deepEqual(digests(chain), before, kind)
    }
    await merge(chain)
    await assertAll(chain)
  }
)

test('a list that fails, is empty or lacks a state removes nothing', async t => {
  const chain = await makeChain(t)
  await merge(chain)
  const before = digests(chain)
  const real = directoryStore(chain.storePath)
  const lists = (keeps: (name: string) => boolean, error?: Error) =>
    wrapStore(real, {
      async *list(prefix, options) {
        for await (const stored of real.list(prefix, options)) if (keeps(stored.name)) yield stored
        if (error !== undefined) throw error
      }
    })
  const at = dates(chain)[3]
  await assert.rejects(merge(chain, { at, store: lists(() => true, new Error('timed out')) }), /timed out/)
  await assert.rejects(merge(chain, { at, store: lists(name => name.endsWith('.lock')) }), code('IBT_NO_BACKUP'))
  const lacks = lists(name => !(name.includes('.state.') && name.includes('asof')))
  await assert.rejects(merge(chain, { at, store: lacks }), code('IBT_STORE_FAILED'))
  assert.deepEqual(digests(chain), before)
})

test('what an interrupted merge has left goes, and counts as no backup', oracle('rsync'), async t => {
  const chain = await makeChain(t)
  const before = chain.stored()
  const { files } = await merge(chain)
  const state = files.find(({ kind }) => kind === 'state')!
  rmSync(join(chain.storePath, state.name))
  await assertAll(chain)
  await merge(chain)
  const left = files.filter(({ name }) => chain.stored().includes(name))
  assert.deepEqual([left, chain.stored().length], [[], before.length + files.length])
  await assertAll(chain)
})

test('an abort leaves the chain as it was', async t => {
  const chain = await makeChain(t)
  const before = digests(chain)
  const abort = new AbortController()
  const onProgress = () => abort.abort(new Error('enough'))
  await assert.rejects(merge(chain, { signal: abort.signal, onProgress }), /enough/)
  assert.deepEqual(digests(chain), before)
})
