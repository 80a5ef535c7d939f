import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  BackupError,
  Chain,
  eraseFiles,
  fullBackup,
  incrementalBackup,
  mergeBackups,
  pruneBackups,
  restoreBackup,
  type Store,
  verifyBackup
} from '../../../src/index.js'
import { memoryStore, wrapStore } from '../../../src/stores/index.js'
import { code, collect } from '../../helpers/entries.js'
import { createRandom } from '../../helpers/random.js'
import { type Snapshot, subset, takeSnapshot } from '../../helpers/snapshot.js'
import { temporaryDirectory } from '../../native/tree.js'

const SECRET = 'the password is swordfish-7261'

interface Backups {
  readonly store: Store
  readonly snapshots: ReadonlyMap<string, Snapshot>
  readonly base: string
}

/** Two chains, a date that was merged, one that was removed; a secret with deltas, a name that was built on it. */
async function makeBackups(t: TestContext): Promise<Backups> {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  const store = memoryStore()
  const options = { store, cache: false as const, key: 'key' }
  const snapshots = new Map<string, Snapshot>()
  const backUp = async (run: typeof fullBackup) => {
    const { date } = await run(source, options)
    snapshots.set(date, takeSnapshot(source, { xattrs: false }))
    return date
  }
  const secret = `${SECRET}\n${createRandom(1).bytes(60_000).toString('base64')}`
  writeFileSync(join(source, 'kept'), createRandom(2).bytes(50_000))
  writeFileSync(join(source, 'secret.1'), secret)
  await backUp(fullBackup)
  appendFileSync(join(source, 'secret.1'), 'more')
  const merged = await backUp(incrementalBackup)
  const removed = await backUp(incrementalBackup)
  renameSync(join(source, 'secret.1'), join(source, 'public.1'))
  writeFileSync(join(source, 'public.1'), secret.slice(SECRET.length + 1))
  await backUp(incrementalBackup)
  writeFileSync(join(source, 'secret.2'), SECRET)
  await backUp(fullBackup)
  rmSync(join(source, 'secret.2'))
  await backUp(incrementalBackup)
  await mergeBackups('key', { ...options, at: merged })
  const chain = await Chain.open(store, 'key')
  await store.put(`key.removed.${removed}.at-${removed}.json.zst`, [
    await bytesOf(store, nameOf(chain, 'state', removed))
  ])
  await store.delete(nameOf(chain, 'state', removed))
  snapshots.delete(removed)
  return { store, snapshots, base }
}

function nameOf(chain: Chain, kind: string, date: string): string {
  return chain.artifacts.find(one => one.kind === kind && one.date === date)!.name
}

async function bytesOf(store: Store, name: string): Promise<Buffer> {
  return Buffer.concat(await collect(store.get(name)))
}

async function copyStore(store: Store): Promise<Store> {
  const copy = memoryStore()
  for (const { name } of await collect(store.list())) await copy.put(name, [await bytesOf(store, name)])
  return copy
}

/** A store that works until so many calls have changed it, and then not at all; the last of them may have been done. */
function dyingStore(store: Store, calls: number, isDone: boolean): Store {
  let left = calls
  const change = async (work: () => Promise<void>) => {
    if (left > 0 || (left === 0 && isDone)) await work()
    if (left-- <= 0) throw new BackupError('IBT_STORE_FAILED', 'the store is gone')
  }
  return wrapStore(store, {
    put: (name, source, options) => change(() => store.put(name, source, options)),
    delete: (name, options) => change(() => store.delete(name, options)),
    create: undefined,
    clean: undefined
  })
}

const isSecret = (path: string) => path.startsWith('secret')

/** Every date comes back, with the contents or without. */
async function assertRestores({ store, snapshots, base }: Backups, isErased?: boolean): Promise<void> {
  for (const [at, snapshot] of snapshots) {
    const destination = join(base, 'restored')
    const { erasedEntries, skippedEntries } = await restoreBackup('key', destination, { store, cache: false, at })
    const found = takeSnapshot(destination, { xattrs: false })
    rmSync(destination, { recursive: true })
    assert.equal(skippedEntries, 0)
    const isWithout = isErased ?? erasedEntries > 0
    assert.deepEqual(found, isWithout ? subset(snapshot, path => !isSecret(path)) : snapshot, at)
    if (isErased === undefined) continue
    const { problems } = await verifyBackup('key', { store, cache: false, at, readData: true })
    assert.deepEqual(problems, [], at)
  }
}

async function assertGone(store: Store): Promise<void> {
  const chain = await Chain.open(store, 'key')
  assert.deepEqual(
    (await collect(store.list())).map(({ name }) => name).sort(),
    chain.artifacts.map(({ name }) => name).sort()
  )
  for (const { name, codec } of chain.artifacts) {
    const bytes = Buffer.concat(await collect(codec().decodeAll(store.get(name), name)))
    assert.ok(!bytes.includes(SECRET), name)
  }
}

for (const isDone of [false, true]) {
  const how = isDone ? 'and the last call was done' : 'and the last call was not done'
  test(`a store that fails at any call loses nothing, and a second run finishes: ${how}`, async t => {
    const backups = await makeBackups(t)
    const options = { cache: false as const }
    let runs = 0
    for (let isOver = false; !isOver; runs += isDone ? 3 : 1) {
      const store = await copyStore(backups.store)
      const dying = dyingStore(store, runs, isDone)
      const error = await eraseFiles('key', ['secret*'], { ...options, store: dying }).then(
        () => undefined,
        (error: unknown) => error
      )
      isOver = error === undefined
      if (!isOver) assert.ok(code('IBT_STORE_FAILED')(error) || code('IBT_OUTCOME_UNKNOWN')(error), String(error))
      for await (const { name } of store.list('key.lock')) await store.delete(name)
      await assertRestores({ ...backups, store })
      const { left, plan } = await eraseFiles('key', ['secret*'], { ...options, store })
      assert.deepEqual([left, plan.isNeeded], [[], true])
      await assertRestores({ ...backups, store }, true)
      await assertGone(store)
    }
    assert.ok(runs > 15, String(runs))
  })
}

test('between the two runs, prune and clean find every date', async t => {
  const backups = await makeBackups(t)
  for (let calls = 2; calls < 24; calls += 3) {
    const store = await copyStore(backups.store)
    await eraseFiles('key', ['secret*'], { store: dyingStore(store, calls, false), cache: false }).catch(() => {})
    for await (const { name } of store.list('key.lock')) await store.delete(name)
    await pruneBackups('key', { store, cache: false, keepLast: 100, graceMs: 0 })
    await assertRestores({ ...backups, store })
  }
})
