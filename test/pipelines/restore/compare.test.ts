import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { RACY_MS } from '../../../src/constants.js'
import type { BackupError } from '../../../src/errors.js'
import { type CompareReport, compareToSource, restoreBackup } from '../../../src/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code, collect } from '../../helpers/entries.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

async function makeChain(t: TestContext, { agesMs = 0 } = {}): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  mkdirSync(join(chain.source, 'd'))
  for (const path of ['a', 'd/b', 'd/c', 'e']) writeFileSync(join(chain.source, path), createRandom(1).bytes(5000))
  symlinkSync('a', join(chain.source, 'link'))
  for (const path of ['a', 'd/b', 'd/c', 'e']) utimesSync(join(chain.source, path), 1_000_000_000, 1_000_000_000)
  await setTimeout(agesMs)
  await chain.full()
  return chain
}

async function compare(chain: NaiveChain, source = chain.source, options: object = {}) {
  const changes = compareToSource('key', source, { ...chain.options, ...options })
  const found: [string, string][] = []
  let next = await changes.next()
  for (; !next.done; next = await changes.next()) found.push([next.value.change, next.value.path])
  return { found, report: next.value as CompareReport }
}

test('what is only in the directory, only in the backup, or differs is yielded; the rest is equal', async t => {
  const chain = await makeChain(t)
  const at = (path: string) => join(chain.source, path)
  assert.deepEqual((await compare(chain)).found, [])
  writeFileSync(at('a'), createRandom(2).bytes(5000))
  chmodSync(at('d/b'), 0o600)
  renameSync(at('d/c'), at('d/moved'))
  rmSync(at('link'))
  symlinkSync('other', at('link'))
  const { found, report } = await compare(chain)
  assert.deepEqual(found, [
    ['touched', '.'],
    ['updated', 'a'],
    ['touched', 'd'],
    ['touched', 'd/b'],
    ['deleted', 'd/c'],
    ['created', 'd/moved'],
    ['updated', 'link']
  ])
  assert.equal(report.differences, found.length)
  assert.equal(report.skippedEntries, 0)
  const { date } = chain.reports[0]!
  await chain.incremental()
  assert.deepEqual((await compare(chain)).found, [])
  assert.deepEqual((await compare(chain, chain.source, { at: date })).found, found)
})

test('a restored copy is equal, and so is a file of the same metadata unless every file is read', async t => {
  // What was written just before the backup is read in any case.
  const chain = await makeChain(t, { agesMs: RACY_MS + 100 })
  const copy = join(chain.base, 'restored')
  await restoreBackup('key', copy, chain.options)
  const { found, report } = await compare(chain, copy)
  assert.deepEqual([found, report.readBytes], [[], 20_000], 'their inodes differ')
  const { atime, mtime } = statSync(join(copy, 'e'))
  writeFileSync(join(copy, 'e'), createRandom(3).bytes(5000))
  utimesSync(join(copy, 'e'), atime, mtime)
  const detection = { ctime: false, inode: false }
  const quick = await compare(chain, copy, { detection })
  assert.deepEqual([quick.found, quick.report.readBytes], [[], 0])
  const sure = await compare(chain, copy, { detection: { ...detection, checksum: true } })
  assert.deepEqual([sure.found, sure.report.readBytes], [[['updated', 'e']], 20_000])
})

test('rules leave out what a backup with them does not have, and the store in the source', async t => {
  const chain = await makeChain(t)
  writeFileSync(join(chain.source, 'x.tmp'), 'x')
  assert.deepEqual((await compare(chain)).found, [
    ['touched', '.'],
    ['created', 'x.tmp']
  ])
  assert.deepEqual((await compare(chain, chain.source, { rules: { exclude: ['*.tmp'] } })).found, [['touched', '.']])
  const inside = new NaiveChain(temporaryDirectory(t), { cache: false })
  const options = { ...inside.options, store: join(inside.source, 'store') }
  mkdirSync(join(inside.source, 'store'))
  await inside.full({ store: options.store })
  assert.deepEqual(await collect(compareToSource('key', inside.source, options)), [])
})

test('what cannot be read is reported and does not count as a difference', {
  skip: process.geteuid?.() === 0 && 'needs a user other than root, who can read every file'
}, async t => {
  const chain = await makeChain(t)
  chmodSync(join(chain.source, 'e'), 0)
  const errors: BackupError[] = []
  const { report } = await compare(chain, chain.source, { onError: (error: BackupError) => errors.push(error) })
  assert.equal(report.skippedEntries, 1)
  assert.equal(errors[0]?.code, 'IBT_READ_FAILED')
})

test('a source that is not there, and a key without backups, are errors', async t => {
  const chain = await makeChain(t)
  await assert.rejects(compare(chain, join(chain.base, 'nosuch')), code('IBT_READ_FAILED'))
  await assert.rejects(collect(compareToSource('other', chain.source, chain.options)), code('IBT_NO_BACKUP'))
  const abort = AbortSignal.abort(new Error('stop'))
  await assert.rejects(compare(chain, chain.source, { signal: abort }), /stop/)
})
