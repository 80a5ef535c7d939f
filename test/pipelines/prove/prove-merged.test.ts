import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { drillBackup, mergeBackups, none, pruneBackups, type VerifyOptions, verifyBackup } from '../../../src/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const FILES = 12
const MONTH = { maxAgeMs: 30 * 86_400_000 }

/** A full, and three increments of which each has a new file and a delta. */
async function makeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, codec: none() })
  const random = createRandom(1)
  for (let i = 0; i < FILES; i++) writeFileSync(join(chain.source, `file${i + 10}`), random.bytes(100_000))
  await chain.full()
  for (let day = 1; day <= 3; day++) {
    writeFileSync(join(chain.source, `new${day}`), random.bytes(50_000))
    const bytes = readFileSync(join(chain.source, 'file10'))
    bytes.fill(day, 10_000, 10_100)
    writeFileSync(join(chain.source, 'file10'), bytes)
    await chain.incremental()
  }
  return chain
}

const verify = (chain: NaiveChain, options: VerifyOptions = {}) =>
  verifyBackup('key', { store: chain.storePath, cache: false, ...options })

test('what a merge has written is proven anew, and what it has not touched stays proven', async t => {
  const chain = await makeChain(t)
  const places = { store: chain.storePath, cache: false as const }
  const all = FILES + 3
  assert.equal((await verify(chain, MONTH)).files, all)
  const at = chain.reports[1]!.date
  await mergeBackups('key', { ...places, at })
  const after = await verify(chain, MONTH)
  // Only the new files of the increments behind it are made of the same archives as before: of the delta, the basis is not.
  assert.deepEqual([after.problems, after.files, after.sample?.recentFiles], [[], all - 2, 2])
  assert.equal((await verify(chain, MONTH)).files, 0)
  assert.deepEqual((await verify(chain, { ...MONTH, at })).problems, [])

  await pruneBackups('key', { ...places, keepLast: 2, graceMs: 0 })
  for (const { date } of chain.reports.slice(2)) {
    assert.deepEqual((await verify(chain, { at: date, readData: true })).problems, [], date)
    const { result, counts, problems } = await drillBackup('key', { ...places, at: date })
    assert.deepEqual([result, problems], ['passed', []])
    assert.equal(counts.archives, counts.allArchives)
    await chain.assertRestores(date)
  }
  const merged = chain.stored('full').find(name => name.includes('asof'))!
  const bytes = readFileSync(join(chain.storePath, merged))
  const file = readFileSync(join(chain.source, 'file15'))
  bytes[bytes.indexOf(file) + 100]! ^= 1
  writeFileSync(join(chain.storePath, merged), bytes)
  const lost: string[] = []
  await verify(chain, { sample: { percent: 100 }, onLost: path => lost.push(path) })
  assert.deepEqual(lost, ['file15'])
  assert.equal((await drillBackup('key', places)).result, 'failed')
})
