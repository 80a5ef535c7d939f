import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type Entry,
  fullBackup,
  incrementalBackup,
  restoreBackup,
  type Stage,
  verifyBackup
} from '../../../src/index.js'
import { code } from '../../helpers/entries.js'
import { temporaryDirectory } from '../../native/tree.js'

function makeSource(t: TestContext) {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(join(source, 'd/e'), { recursive: true })
  writeFileSync(join(source, 'a'), 'A')
  writeFileSync(join(source, 'd/e/f'), 'F')
  return { base, source, options: { key: 'k', store: join(base, 'store'), cache: false } as const }
}

const map = (change: (entry: Entry) => Entry | undefined): Stage<Entry> =>
  async function* mapStage(source) {
    for await (const entry of source) {
      const changed = change(entry)
      if (changed !== undefined) yield changed
    }
  }

const filesOnly = map(entry => (entry.type === 'file' ? entry : undefined))

test('a filter that passes files only makes a backup that restores, and the next one is unchanged', async t => {
  const { base, source, options } = makeSource(t)
  const stages = { filter: filesOnly }
  const full = await fullBackup(source, { ...options, stages })
  assert.deepEqual([full.madeDirectories, full.totals.entries], [3, 5])
  const { problems } = await verifyBackup('k', { ...options, readData: true })
  assert.deepEqual(problems, [])
  await restoreBackup('k', join(base, 'out'), options)
  assert.equal(readFileSync(join(base, 'out/d/e/f'), 'utf8'), 'F')
  const next = await incrementalBackup(source, { ...options, stages })
  assert.deepEqual([next.madeDirectories, next.totals.unchanged], [3, 5])
})

test('what could not be restored is refused before anything is stored', async t => {
  const { base, source, options } = makeSource(t)
  const refuses = async (expected: string, change: (entry: Entry) => Entry | undefined) => {
    await assert.rejects(fullBackup(source, { ...options, stages: { filter: map(change) } }), code(expected))
    const stored = existsSync(join(base, 'store')) ? readdirSync(join(base, 'store')) : []
    assert.deepEqual(stored, [])
  }
  const file = (change: Partial<Entry>) => (entry: Entry) => (entry.type === 'file' ? { ...entry, ...change } : entry)
  await refuses('IBT_OUT_OF_ORDER', file({ path: 'same' }))
  await refuses('IBT_UNSAFE_PATH', file({ path: '../out' }))
  await refuses('IBT_UNSAFE_PATH', file({ path: '/etc/passwd' }))
  await refuses('IBT_OUT_OF_ORDER', entry => (entry.path === 'd' ? { ...entry, path: 'z' } : entry))
  const directory = (change: Partial<Entry>) => (entry: Entry) => (entry.path === 'd' ? { ...entry, ...change } : entry)
  await refuses('IBT_STATE_INVALID', directory({ mode: 0o40755 }))
  await refuses('IBT_STATE_INVALID', directory({ uid: -2 }))
  await refuses('IBT_STATE_INVALID', directory({ mtimeNs: 2n ** 70n }))
})
