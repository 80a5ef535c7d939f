import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type BackupError,
  type BackupReport,
  type BackupRun,
  fullBackup,
  listBackups,
  openRun,
  pipe,
  restoreBackup,
  verifyBackup
} from '../../../src/index.js'
import { diff, encode, pack, publish, sign, stateEmit, walk } from '../../../src/stages/index.js'
import { directoryStore, memoryStore } from '../../../src/stores/index.js'
import type { Store } from '../../../src/types.js'
import { collect } from '../../helpers/entries.js'
import { assertSameTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { temporaryDirectory } from '../../native/tree.js'

function makeGround(t: TestContext) {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(join(source, 'd'), { recursive: true })
  writeFileSync(join(source, 'a'), 'A')
  writeFileSync(join(source, 'd/large'), Buffer.alloc(100_000, 'x'))
  const store = join(base, 'store')
  return { base, source, store, options: { key: 'key', store, cache: false as const } }
}

const locks = (store: string) => readdirSync(store).filter(name => name.includes('.lock'))

/** A pipeline of one's own, of the stages as the package exports them. */
function byHand(run: BackupRun) {
  const { header, parent, codec, store, commits } = run
  const tree = walk(run.root, run.rules)
  const tail = [encode(codec, header), publish(store, { commits })] as const
  if (parent === undefined) {
    return pipe(
      ...([
        tree,
        sign(),
        pack({ whole: 'full' }),
        encode(codec, header),
        stateEmit(header),
        ...tail,
        run.context
      ] as const)
    )
  }
  return pipe(
    tree,
    diff(parent.entries(), { signature: parent.signature }),
    sign(),
    pack({ whole: 'created', delta: 'updated' }),
    run.watch,
    encode(codec, header),
    stateEmit(header, { inherited: () => parent.artifacts }),
    ...tail,
    run.context
  )
}

test('a run around a pipeline of a caller makes a chain as the prebuilt ones do', oracle('rsync'), async t => {
  const { base, source, store, options } = makeGround(t)
  const reports: BackupReport[] = []
  for (const content of ['one', 'two', 'three']) {
    writeFileSync(join(source, 'changes'), content)
    await using run = await openRun(source, options)
    assert.deepEqual(locks(store), ['key.lock'])
    reports.push(await run.report(await byHand(run)))
  }
  assert.deepEqual(locks(store), [])
  assert.deepEqual(
    reports.map(({ kind, isStored }) => [kind, isStored]),
    [
      ['full', true],
      ['incremental', true],
      ['incremental', true]
    ]
  )
  assert.equal(reports[2]!.parent, reports[1]!.date)
  assert.equal(reports[2]!.totals.updated, 1)
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
  await restoreBackup('key', join(base, 'out'), options)
  assertSameTree(join(base, 'out'), source)
  assert.equal((await collect(listBackups('key', options))).length, 3)
})

test('the stages of a run are those of the prebuilt pipelines', async t => {
  const { source, options } = makeGround(t)
  for (const kind of ['full', 'incremental', 'auto'] as const) {
    const run = await openRun(source, { ...options, kind })
    try {
      const { walk, filter, diff, sign, pack, encode, stateEmit, encodeState, publish } = run.stages
      const published = await pipe(
        ...([walk, filter, diff, sign, pack, run.watch, encode, stateEmit, encodeState, publish] as const),
        run.context
      )
      const report = await run.report(published)
      assert.equal(report.kind, kind === 'full' ? 'full' : 'incremental')
      assert.equal(report.totals.entries, 4)
    } finally {
      await run.close()
    }
  }
})

test('a run that cannot begin leaves no lock, and a second one is refused while the first is open', async t => {
  const { source, store, options } = makeGround(t)
  await assert.rejects(openRun(source, { ...options, kind: 'incremental' }), { code: 'IBT_NO_BACKUP' })
  assert.deepEqual(locks(store), [])
  await assert.rejects(openRun(source, { ...options, kind: 'half' as never }), TypeError)
  const run = await openRun(source, options)
  await assert.rejects(openRun(source, options), { code: 'IBT_LOCKED' })
  await assert.rejects(fullBackup(source, options), { code: 'IBT_LOCKED' })
  await Promise.all([run.close(), run.close()])
  await run[Symbol.asyncDispose]()
  await fullBackup(source, options)
})

test('a run that is closed without a pipeline has stored nothing', async t => {
  const { source, store, options } = makeGround(t)
  const run = await openRun(source, options)
  await run.close()
  assert.deepEqual(readdirSync(store), [])
})

test('a dry run takes no lock and stores nothing', async t => {
  const { source, store, options } = makeGround(t)
  const run = await openRun(source, { ...options, dryRun: true })
  const report = await run.report(await byHand(run))
  assert.equal(report.isStored, false)
  assert.equal(report.totals.entries, 4)
  await run.close()
  assert.deepEqual(await collect(directoryStore(store).list()), [])
})

/** A store that does not give its lock back. */
function clinging(store: Store): Store {
  return {
    id: 'clinging',
    put: (name, source, options) => store.put(name, source, options),
    get: (name, range, options) => store.get(name, range, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: async (name, options) => {
      if (name.endsWith('.lock')) throw new Error('The network is gone')
      await store.delete(name, options)
    }
  }
}

test('a lock that cannot be released neither fails a run that has stored nor hides why one has failed', async t => {
  const { source, options } = makeGround(t)
  const report = await fullBackup(source, { ...options, store: clinging(memoryStore()) })
  assert.equal(report.isStored, true)
  const failure = new Error('of the stage')
  const failing = async function* () {
    yield* []
    throw failure
  }
  const failed = fullBackup(source, { ...options, store: clinging(memoryStore()), stages: { walk: failing() } })
  await assert.rejects(failed, error => error === failure)
})

test('an abort after the backup is stored leaves the report of what is there', async t => {
  const { source, options } = makeGround(t)
  rmSync(join(source, 'd'), { recursive: true })
  const controller = new AbortController()
  await fullBackup(source, options)
  const run = await openRun(source, { ...options, kind: 'full', deleteOldSigvaults: true, signal: controller.signal })
  const published = await byHand(run)
  controller.abort(new Error('too late'))
  const errors: BackupError[] = []
  assert.equal((await run.report(published)).isStored, true)
  assert.deepEqual(errors, [])
  await run.close()
})
