import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tally } from '../../src/change/tally.js'
import { encodeStateClosing, encodeStateHeader } from '../../src/format/state-encode.js'
import { Chain, fullBackup, incrementalBackup } from '../../src/index.js'
import { memoryStore } from '../../src/stores/memory.js'
import type { Store, StoredName } from '../../src/types.js'
import { code, collect } from '../helpers/entries.js'
import { Tree } from '../helpers/tree.js'
import { temporaryDirectory } from '../native/tree.js'

const T1 = '20261101T000000.000Z'
const T2 = '20261102T000000.000Z'
const T3 = '20261103T000000.000Z'

const nameOf = ({ name }: StoredName) => name

async function storeOf(...names: string[]): Promise<Store> {
  const store = memoryStore()
  for (const name of names) await store.put(name, [Buffer.from('12345')])
  return store
}

test('backups are those that have a state, oldest first; a full has its archive', async () => {
  const store = await storeOf(
    ...[`key.state.${T2}.json`, `key.created.${T2}.tar`, `key.updated.${T3}.tar`],
    ...[`key.full.${T1}.tar`, `key.state.${T1}.json`, `key.sigvault.${T1}.tar`]
  )
  const chain = await Chain.open(store, 'key')
  assert.deepEqual(chain.backups, [
    { date: T1, kind: 'full', sizeBytes: 15, stateDate: T1 },
    { date: T2, kind: 'incremental', sizeBytes: 10, stateDate: T2 }
  ])
  assert.equal(chain.newest?.date, T2)
  assert.deepEqual(chain.leftovers.map(nameOf), [`key.updated.${T3}.tar`])
})

test('of a removed backup the artifacts are not left over, and its date stays taken', async () => {
  const removed = `key.removed.${T3}.at-20261104T000000.000Z.json`
  const names = [`key.state.${T1}.json`, `key.created.${T2}.tar`, `key.created.${T3}.tar`, removed]
  const chain = await Chain.open(await storeOf(...names, `key2.removed.${T3}.at-${T3}.json`), 'key')
  assert.deepEqual([chain.leftovers, chain.newest?.date, chain.newestDate], [[], T1, T3])
  assert.deepEqual(chain.removed, [
    {
      ...{ name: removed, sizeBytes: 5, date: T3, state: `key.state.${T3}.json` },
      removedAtMs: Date.UTC(2026, 10, 4)
    }
  ])
})

test('a date that was merged is asked for as before; what was merged last counts', async () => {
  const merged = (kind: string, date: string, asOf: string) =>
    `key.${kind}.${date}.asof-${asOf}.${kind === 'state' ? 'json' : 'tar'}`
  const [S4, S5] = ['20261104T000000.000Z', '20261105T000000.000Z']
  const store = await storeOf(
    ...[`key.state.${T1}.json`, `key.full.${T1}.tar`, `key.state.${T2}.json`, `key.state.${T3}.json`],
    ...[merged('state', S4, T2), merged('created', S4, T2), merged('state', S5, T2), merged('full', S5, T2)],
    merged('full', '20261106T000000.000Z', T1)
  )
  const chain = await Chain.open(store, 'key')
  assert.deepEqual(
    chain.backups.map(({ date, kind, stateDate }) => [date, kind, stateDate]),
    [
      [T1, 'full', T1],
      [T2, 'full', S5],
      [T3, 'incremental', T3]
    ]
  )
  assert.deepEqual([chain.newest?.date, chain.newestDate, chain.at(Date.UTC(2026, 10, 2)).date], [T3, S5, T2])
  // A merge that was interrupted has no state, and is no backup.
  assert.deepEqual(chain.leftovers.map(nameOf), [merged('full', '20261106T000000.000Z', T1)])
  assert.deepEqual(
    chain.superseded.map(({ name }) => name).sort(),
    [merged('state', S4, T2), `key.state.${T2}.json`].sort()
  )
})

test('states that stand for each other are no circle', async () => {
  const [S4, S5] = ['20261104T000000.000Z', '20261105T000000.000Z']
  const store = memoryStore()
  for (const [date, asOf, other] of [
    [S4, T1, T2],
    [S5, T2, T1]
  ] as const) {
    const chain = [{ date: other }, { date, asOf }]
    const standsFor = { date: asOf, sha256: 'a'.repeat(64) }
    const header = { key: 'key', kind: 'full', date, startedNs: 0n, root: '/', host: 'h', chain, standsFor } as const
    const totals = { ...new Tally().totals }
    const name = `key.full.${T1}.tar`
    const artifacts = [{ name, kind: 'full', date: T1, sizeBytes: 5, sha256: 'a'.repeat(64) }] as const
    const text = `${encodeStateHeader(header)}\n${encodeStateClosing({ totals, artifacts })}\n`
    await store.put(`key.state.${date}.asof-${asOf}.json`, [Buffer.from(text)])
  }
  const chain = await Chain.open(store, 'key')
  assert.equal((await chain.needs(T1)).length, 2)
  assert.equal((await chain.needs(T2)).length, 3)
  assert.deepEqual(await collect(chain.entries(T2)), [])
})

test('names of other keys and of nothing known are not of the chain', async () => {
  const names = [`key2.state.${T1}.json`, `key.x.state.${T1}.json`, 'key.lock', `key.state.${T1}.tar`, 'key.']
  const chain = await Chain.open(await storeOf(...names), 'key')
  assert.deepEqual([chain.artifacts, chain.backups, chain.newest, chain.leftovers], [[], [], undefined, []])
})

test('without any state, all artifacts are left over', async () => {
  const chain = await Chain.open(await storeOf(`key.full.${T1}.tar`, `key.sigvault.${T2}.tar`), 'key')
  assert.equal(chain.leftovers.length, 2)
})

test('the backup of a time is the newest that is not younger', async () => {
  const chain = await Chain.open(await storeOf(`key.state.${T1}.json`, `key.state.${T2}.json`), 'key')
  const first = Date.UTC(2026, 10, 1)
  assert.equal(chain.at().date, T2)
  assert.equal(chain.at(first).date, T1)
  assert.equal(chain.at(first + 86_399_999).date, T1)
  assert.equal(chain.at(first + 86_400_000).date, T2)
  assert.throws(() => chain.at(first - 1), code('IBT_NO_BACKUP'))
})

test('what is not in the store is missing by name', async () => {
  const chain = await Chain.open(await storeOf(`key.state.${T1}.json`), 'key')
  await assert.rejects(chain.state(T2), code('IBT_BASIS_MISSING'))
  await assert.rejects(async () => chain.openArchive(T1, 'full'), code('IBT_BASIS_MISSING'))
  await assert.rejects(chain.digest(T1, 'sigvault'), code('IBT_BASIS_MISSING'))
  assert.equal(await chain.signature({ date: T1, offset: 0 }), undefined)
})

test('what is no state and what no codec made is refused with a code', async () => {
  const chain = await Chain.open(await storeOf(`key.state.${T1}.json`, `key.state.${T2}.json.zst`), 'key')
  await assert.rejects(collect(chain.entries(T1)), /IBT_|state/)
  await assert.rejects(chain.ends(T1), code('IBT_STATE_INVALID'))
  await assert.rejects(collect(chain.entries(T2)), error => (error as { code: string }).code.startsWith('IBT_ARCHIVE'))
  const unknown = await Chain.open(await storeOf(`key.state.${T1}.json.rot13`), 'key')
  await assert.rejects(async () => unknown.state(T1))
})

test('both ends of a state are read without what is between', async t => {
  const root = temporaryDirectory(t)
  const tree = new Tree(root, 1)
  // The last line names four artifacts, and the entries take far more than one window.
  for (let i = 0; i < 1500; i++) tree.symlink(`link ${i}`, 'a target')
  const store = memoryStore()
  const options = { store, cache: false as const, key: 'key' }
  const full = await fullBackup(root, options)
  const next = await incrementalBackup(root, options)
  const chain = await Chain.open(store, 'key')
  for (const report of [full, next]) {
    const { header, closing } = await chain.ends(report.date)
    assert.equal(header.date, report.date)
    assert.deepEqual(closing.totals, report.totals)
    const state = await chain.state(report.date)
    assert.equal((await collect(state.entries())).length, 1501)
    assert.deepEqual([state.header, state.closing()], [header, closing])
  }
})

test('the digest of an artifact is of its stored bytes', async t => {
  const root = temporaryDirectory(t)
  const store = memoryStore()
  const { files, date } = await fullBackup(root, { store, cache: false, key: 'key' })
  const chain = await Chain.open(store, 'key')
  for (const { kind, sha256 } of files) assert.equal(await chain.digest(date, kind), sha256)
})
