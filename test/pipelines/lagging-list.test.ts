import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type BackupReport,
  fullBackup,
  incrementalBackup,
  isBackupError,
  pruneBackups,
  restoreBackup
} from '../../src/index.js'
import { faulty, lagging, memoryStore, storeConformance } from '../../src/stores/index.js'
import type { Store } from '../../src/types.js'
import { collect } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

storeConformance('a lagging store that is never late', () => lagging(memoryStore(), () => false), { test })

const names = async (store: Store) => (await collect(store.list())).map(({ name }) => name)

function source(t: TestContext) {
  const base = temporaryDirectory(t)
  const path = join(base, 'source')
  mkdirSync(path)
  let round = 0
  const change = () => writeFileSync(join(path, 'file'), `${++round} ${'x'.repeat(30_000)}`)
  change()
  return { base, path, change }
}

test('a prune with no period of grace deletes nothing of a backup whose state is not listed yet', async t => {
  const { base, path, change } = source(t)
  const inner = memoryStore()
  const options = { store: inner as Store, cache: false as const, key: 'key' }
  await fullBackup(path, options)
  change()
  await incrementalBackup(path, options)
  const store = lagging(inner, name => /\.state\./.test(name))
  change()
  await incrementalBackup(path, { ...options, store })
  const before = await names(inner)
  await assert.rejects(pruneBackups('key', { ...options, store, keepLast: 9, graceMs: 0 }), {
    code: 'IBT_STORE_FAILED',
    message: /does not list it/
  })
  assert.deepEqual(await names(inner), before)
  store.settle()
  await pruneBackups('key', { ...options, store, keepLast: 9, graceMs: 0 })
  assert.equal((await restoreBackup('key', join(base, 'out'), options)).files, 1)
})

test('a date that was asked for twice replaces nothing, although the first backup is not listed yet', async t => {
  const { path, change } = source(t)
  const inner = memoryStore()
  const store = lagging(inner)
  const options = { store, cache: false as const, key: 'key', date: new Date('2026-01-02T03:04:05Z') }
  await fullBackup(path, options)
  change()
  await assert.rejects(fullBackup(path, options), { code: 'IBT_STORE_FAILED', message: /nothing is replaced/ })
})

test('a state that cannot be withdrawn and is not listed yet keeps its archives', async t => {
  const { base, path } = source(t)
  const inner = memoryStore()
  const store = faulty(
    lagging(inner, name => /\.state\./.test(name)),
    ({ call, name }) => {
      if (!/\.state\./.test(name)) return undefined
      return call === 'put' ? 'after' : call === 'delete' ? 'before' : undefined
    }
  )
  await assert.rejects(fullBackup(path, { store, cache: false, key: 'key' }), { code: 'IBT_OUTCOME_UNKNOWN' })
  assert.equal((await names(inner)).length, 3)
  assert.equal((await restoreBackup('key', join(base, 'out'), { store: inner, cache: false })).files, 1)
})

test('whatever a list shows late, no backup that was reported is lost', async t => {
  let made = 0
  for (let seed = 1; seed <= 12; seed++) {
    const random = createRandom(seed)
    const { base, path, change } = source(t)
    const inner = memoryStore()
    const late = new Set<string>()
    const store = lagging(inner, name => {
      if (random.chance(0.5)) late.add(name)
      return late.has(name)
    })
    const options = { store, cache: random.chance(0.5) ? memoryStore() : (false as const), key: 'key' }
    const reports: BackupReport[] = []
    for (let step = 0; step < 14; step++) {
      change()
      if (random.chance(0.3)) store.settle()
      try {
        if (random.chance(0.25)) await pruneBackups('key', { ...options, keepLast: 20, graceMs: 0 })
        else reports.push(await (random.chance(0.3) ? fullBackup : incrementalBackup)(path, options))
      } catch (error) {
        // A run may be refused; it may not do harm.
        assert.ok(isBackupError(error), `seed ${seed}: ${error}`)
      }
    }
    store.settle()
    for (const { date } of reports) {
      const at = { ...options, cache: false as const, at: date }
      const { files } = await restoreBackup('key', join(base, `out-${date}`), at)
      assert.equal(files, 1, `seed ${seed}`)
    }
    made += reports.length
  }
  assert.ok(made > 40, `${made} backups`)
})
