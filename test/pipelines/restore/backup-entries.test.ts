import assert from 'node:assert/strict'
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  backupEntries,
  compose,
  fullBackup,
  incrementalBackup,
  type RunOptions,
  restoreBackup,
  verifyBackup
} from '../../../src/index.js'
import { mapRecords } from '../../../src/interop/index.js'
import { mapContents, mapEntries } from '../../../src/stages/index.js'
import { memoryStore } from '../../../src/stores/index.js'
import type { Entry } from '../../../src/types.js'
import { NaiveChain } from '../../helpers/chain.js'
import { assertSameTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'

const LINES = 200_000

/** Two backups of a tree with a large text, a hard link, a symlink and a large file with a delta. */
async function makeChain(t: TestContext): Promise<NaiveChain> {
  const base = mkdtempSync(join(tmpdir(), 'ibt entries '))
  t.after(() => rmSync(base, { recursive: true, force: true }))
  const chain = new NaiveChain(base)
  const at = (name: string) => join(chain.source, name)
  mkdirSync(at('d'))
  const text = Array.from({ length: LINES }, (_, i) => `${i};user${i}@example.org;some text of a customer\n`).join('')
  writeFileSync(at('customers.csv'), text)
  const bytes = createRandom(1).bytes(10_000_000)
  writeFileSync(at('d/large'), bytes)
  linkSync(at('d/large'), at('d/name'))
  symlinkSync('large', at('d/link'))
  await chain.full()
  bytes.fill(7, 5_000_000, 5_000_100)
  writeFileSync(at('d/large'), bytes)
  await chain.incremental()
  return chain
}

/** Options of a backup of a backup. */
const from = (chain: NaiveChain, at: string): RunOptions & { stages: { walk: AsyncIterable<Entry> } } => ({
  key: 'copy',
  sourceId: 'key',
  cache: false,
  stages: { walk: backupEntries('key', { ...chain.options, at }) }
})

test('a backup is the source of a backup in another store, date by date', oracle('diff', 'rsync'), async t => {
  const chain = await makeChain(t)
  const [first, second] = chain.reports.map(({ date }) => date)
  const store = memoryStore()
  const full = await fullBackup('-', { ...from(chain, first!), store })
  const increment = await incrementalBackup('-', { ...from(chain, second!), store })
  assert.ok(increment.storedBytes < full.storedBytes / 20, 'what has not changed is not stored again')
  for (const [i, date] of [full.date, increment.date].entries()) {
    const out = join(chain.base, `out${i}`)
    await restoreBackup('copy', out, { store, cache: false, at: date })
    assertSameTree(chain.copy(chain.reports[i]!.date), out)
  }
  const { problems } = await verifyBackup('copy', { store, cache: false, readData: true })
  assert.deepEqual(problems, [])
})

test('entries and records are changed between two stores, in contents larger than memory allows', async t => {
  const chain = await makeChain(t)
  const store = memoryStore()
  const redact = mapContents(({ path }) =>
    path.endsWith('.csv')
      ? mapRecords((row, number) => (number === 0 ? undefined : row.replace(/user\d+@/, '***@')))
      : undefined
  )
  const anonymous = mapEntries<Entry>(entry =>
    entry.path === 'd/link' ? undefined : { ...entry, uid: 65534, uname: undefined }
  )
  const { stages, ...options } = from(chain, chain.reports[1]!.date)
  const copy = { ...options, store }
  await fullBackup('-', { ...copy, stages: d => ({ ...stages, filter: compose(d.filter, anonymous, redact) }) })
  const out = join(chain.base, 'redacted')
  await restoreBackup('copy', out, { store, cache: false })
  const rows = readFileSync(join(out, 'customers.csv'), 'utf8').split('\n')
  assert.equal(rows.length, LINES)
  assert.ok(rows.slice(0, -1).every(row => /^\d+;\*\*\*@example\.org;/.test(row)))
  const entries: Entry[] = []
  for await (const entry of backupEntries('copy', { store, cache: false })) entries.push(entry)
  assert.deepEqual(
    entries.map(({ path, uid }) => [path, uid]),
    ['.', 'customers.csv', 'd', 'd/large', 'd/name'].map(path => [path, 65534])
  )
})
