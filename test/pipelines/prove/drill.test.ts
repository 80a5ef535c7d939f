import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BackupError, type DrillOptions, drillBackup, none } from '../../../src/index.js'
import { estimateAll } from '../../../src/pipelines/prove/drill-report.js'
import { directoryStore, wrapStore } from '../../../src/stores/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code } from '../../helpers/entries.js'
import { assertSameTree, run } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { runIbt } from '../../helpers/warm-ibt.js'
import { temporaryDirectory } from '../../native/tree.js'

const FILES = 20

/** A full of several stretches, and an increment with a delta. */
async function makeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, codec: none() })
  const random = createRandom(1)
  mkdirSync(join(chain.source, 'd'))
  for (let i = 0; i < FILES; i++) writeFileSync(join(chain.source, `d/file${i + 10}`), random.bytes(400_000))
  await chain.full()
  const bytes = readFileSync(join(chain.source, 'd/file15'))
  bytes.fill(1, 50_000, 50_100)
  writeFileSync(join(chain.source, 'd/file15'), bytes)
  writeFileSync(join(chain.source, 'new'), 'new')
  await chain.incremental()
  return chain
}

const drill = (chain: NaiveChain, options: DrillOptions = {}) =>
  drillBackup('key', { store: chain.storePath, ...options })

test('a drill proves every byte of a date, counts what it reads, and writes nothing', async t => {
  const chain = await makeChain(t)
  const before = chain.stored()
  let [gets, bytes, lists] = [0, 0, 0]
  const store = directoryStore(chain.storePath)
  const refuse = () => assert.fail('a drill does not write')
  const counting = wrapStore(store, {
    ...{ put: refuse, delete: refuse, create: refuse },
    list(...call) {
      lists++
      return store.list(...call)
    },
    async *get(...call) {
      gets++
      for await (const chunk of store.get(...call)) {
        bytes += chunk.length
        yield chunk
      }
    }
  })
  for (const [i, { date, totals, kind }] of chain.reports.entries()) {
    ;[gets, bytes, lists] = [0, 0, 0]
    const report = await drill(chain, { at: date, store: counting })
    assert.deepEqual([report.result, report.problems, report.notes], ['passed', [], []])
    const { counts, tested, measured } = report
    assert.deepEqual([tested.date, tested.kind, tested.into, tested.sample], [date, kind, 'nothing', null])
    const sha256 = run('sha256sum', [chain.artifact('state', date)])
    assert.equal(`${tested.stateSha256}`, `${sha256}`.slice(0, 64))
    assert.deepEqual([counts.files, counts.allFiles, counts.entries], [totals.files, totals.files, totals.entries])
    assert.deepEqual([counts.sizeBytes, counts.allSizeBytes], [totals.sizeBytes, totals.sizeBytes])
    assert.deepEqual([counts.archives, counts.allArchives], i === 0 ? [1, 1] : [3, 3])
    assert.deepEqual([measured.requests, measured.readBytes], [gets + lists, bytes])
    assert.ok(measured.archiveBytes > 7_000_000 && measured.archiveBytes < bytes)
  }
  assert.deepEqual(chain.stored(), before)
})

test('the report is the same again, but for times and costs', async t => {
  const chain = await makeChain(t)
  const stable = async (seed: string) => {
    const { startedAt, finishedAt, measured, estimate, ...rest } = await drill(chain, { sample: { percent: 20 }, seed })
    assert.ok(startedAt <= finishedAt && measured.totalMs >= 0 && estimate !== null)
    return rest
  }
  const first = await stable('a')
  assert.deepEqual(await stable('a'), first)
  assert.ok(first.counts.files >= 4 && first.counts.files < FILES, `${first.counts.files}`)
  assert.deepEqual(first.tested.sample, { percent: 20, seed: 'a' })
})

test('of a sample, the estimate says what a drill of everything reads', async t => {
  const chain = await makeChain(t)
  for (const { date } of chain.reports) {
    const { measured } = await drill(chain, { at: date })
    for (const seed of ['a', 'b']) {
      const { estimate } = await drill(chain, { at: date, sample: { files: 3 }, seed })
      const ratio = estimate!.readBytes / measured.readBytes
      assert.ok(ratio > 0.9 && ratio < 1.2, `${date}: ${ratio}`)
    }
  }
})

test('a drill into a directory restores what a restore does', async t => {
  const chain = await makeChain(t)
  const { date, totals } = chain.reports[1]!
  const into = join(chain.base, 'into')
  const whole = await drill(chain, { into })
  assertSameTree(into, chain.copy(date), 'whole')
  assert.deepEqual([whole.result, whole.tested.into, whole.tested.destination], ['passed', 'directory', into])
  assert.deepEqual([whole.counts.files, whole.counts.sizeBytes], [totals.files, totals.sizeBytes])
  await assert.rejects(drill(chain, { into }), code('IBT_NOT_EMPTY'))

  const part = join(chain.base, 'part')
  const { counts, result } = await drill(chain, { into: part, sample: { files: 3 }, seed: 's' })
  const names = readdirSync(part, { recursive: true, encoding: 'utf8' }).filter(name =>
    statSync(join(part, name)).isFile()
  )
  assert.equal(result, 'passed')
  assert.ok(names.length >= 3 && names.length < FILES)
  assert.equal(names.length, counts.files)
  for (const name of names) assert.deepEqual(readFileSync(join(part, name)), readFileSync(join(chain.source, name)))
})

test('whatever is damaged or missing fails a drill, which goes on as far as it can', async t => {
  const chain = await makeChain(t)
  const full = chain.artifact('full', '')
  const bytes = readFileSync(full)
  const file = readFileSync(join(chain.source, 'd/file12'))
  const hurt = Buffer.from(bytes)
  hurt[bytes.indexOf(file) + 5]! ^= 1
  writeFileSync(full, hurt)
  const lost: string[] = []
  const flipped = await drill(chain, { onLost: path => lost.push(path) })
  assert.deepEqual([flipped.result, flipped.counts.files, lost], ['failed', FILES, ['d/file12']])
  assert.deepEqual(
    flipped.problems.map(({ code, path }) => [code, path]),
    [['IBT_HASH_MISMATCH', 'd/file12']]
  )

  truncateSync(full, bytes.length >> 1)
  assert.ok((await drill(chain)).problems.some(({ code }) => code === 'IBT_ARCHIVE_TRUNCATED'))
  rmSync(full)
  const gone = await drill(chain)
  assert.deepEqual([gone.result, gone.counts.files], ['failed', 1])
  assert.ok(gone.problems.every(({ code, path }) => code === 'IBT_BASIS_MISSING' && path !== null))
  const into = join(chain.base, 'into')
  assert.equal((await drill(chain, { into })).result, 'failed')
  writeFileSync(full, bytes)

  const state = chain.artifact('state', chain.reports[1]!.date)
  const text = readFileSync(state)
  writeFileSync(state, Buffer.concat([text.subarray(0, 2000), text.subarray(2010)]))
  const torn = await drill(chain)
  assert.equal(torn.result, 'failed')
  writeFileSync(state, text)
  const older = chain.artifact('state', chain.reports[0]!.date)
  writeFileSync(older, Buffer.concat([readFileSync(older), Buffer.from(' ')]))
  assert.ok((await drill(chain)).problems.some(({ code }) => code === 'IBT_HASH_MISMATCH'))
})

test('a store that fails in the middle fails a drill, which says what was proven', async t => {
  const chain = await makeChain(t)
  const store = directoryStore(chain.storePath)
  let calls = 0
  const failing = wrapStore(store, {
    async *get(name, range, options) {
      if (name.includes('.full.') && ++calls > 5) throw new BackupError('IBT_STORE_FAILED', 'Gone', { path: name })
      yield* store.get(name, range, options)
    }
  })
  const { result, counts, problems } = await drill(chain, { store: failing })
  assert.equal(result, 'failed')
  assert.ok(counts.files > 0 && counts.files < FILES)
  assert.ok(problems.length > 0 && problems.every(({ code }) => code === 'IBT_STORE_FAILED'))
})

test('an abort ends a drill with its reason, and leaves nothing in a directory under way but what is proven', async t => {
  const chain = await makeChain(t)
  for (const into of [undefined, join(chain.base, 'into')]) {
    const controller = new AbortController()
    const reason = new Error('Enough')
    const onProgress = () => controller.abort(reason)
    await assert.rejects(drill(chain, { into, signal: controller.signal, onProgress }), error => error === reason)
  }
})

test('an estimate takes the larger of what bytes and files take', () => {
  const counts = { entries: 0, archives: 0, allArchives: 0, suspectFiles: 0 }
  const cost = { openMs: 10, stateMs: 20, restoreMs: 120, archiveBytes: 1000, readBytes: 1100 }
  const of = (files: number, sizeBytes: number) =>
    estimateAll({ ...counts, files, sizeBytes, allFiles: 40, allSizeBytes: 1000 }, cost)
  assert.deepEqual(of(40, 1000), { everythingMs: 110, readBytes: 1100 })
  assert.deepEqual(of(10, 500), { everythingMs: 410, readBytes: 4100 })
  assert.deepEqual(of(20, 100), { everythingMs: 1010, readBytes: 10_100 })
  assert.equal(of(0, 0), null)
  const planned = { ...counts, files: 10, sizeBytes: 500, allFiles: 40, allSizeBytes: 1000 }
  assert.deepEqual(estimateAll(planned, cost, 1500), { everythingMs: 410, readBytes: 1600 })
})

test(
  'ibt writes the report as JSON that jq reads and as text, once, and exits with what it found',
  oracle('jq'),
  async t => {
    const chain = await makeChain(t)
    const ibt = (...args: string[]) => runIbt(['drill', 'key', '--store', chain.storePath, ...args])
    const file = join(chain.base, 'report.json')
    const passed = ibt('--report', file, '--sample', '50%', '--seed', 'x')
    assert.equal(passed.status, 0, passed.stderr)
    assert.match(passed.stdout, /^Drill of key, .*: passed\n {2}\d+ of 21 files made and checked/)
    const jq = (filter: string) => `${run('jq', ['-c', filter, file])}`.trim()
    assert.equal(jq('keys_unsorted'), JSON.stringify(FIELDS))
    assert.equal(jq('.tested | keys_unsorted'), JSON.stringify(TESTED))
    assert.equal(jq('[.counts[], .measured[], .estimate[]] | map(type) | unique'), '["number"]')
    assert.equal(jq('[.result, .version, .tested.sample.seed, .tested.destination]'), '["passed",1,"x",null]')
    assert.match(jq('.tested.stateSha256'), /^"[0-9a-f]{64}"$/)
    assert.match(readFileSync(join(chain.base, 'report.txt'), 'utf8'), /^Restore drill of key: PASSED\n/)
    const again = ibt('--report', file)
    assert.deepEqual([again.status, again.stdout], [2, ''])
    assert.equal(ibt('--report', join(chain.base, 'no/report.json')).status, 2)

    const full = chain.artifact('full', '')
    truncateSync(full, statSync(full).size - 1)
    const failed = ibt('--report', join(chain.base, 'failed.json'))
    assert.equal(failed.status, 4)
    assert.match(failed.stdout, /failed, \d+ problems?/)
    assert.match(readFileSync(join(chain.base, 'failed.txt'), 'utf8'), /FAILED(.|\n)*IBT_ARCHIVE_TRUNCATED/)
    assert.ok(existsSync(join(chain.base, 'failed.json')))
    const json = ibt('--json')
      .stdout.trim()
      .split('\n')
      .map(line => JSON.parse(line))
    assert.deepEqual([json.at(-1).event, json.at(-1).exitCode, json.at(-1).result], ['report', 4, 'failed'])
  }
)

const FIELDS = [
  ...['format', 'version', 'result', 'startedAt', 'finishedAt', 'tool', 'machine', 'tested', 'counts', 'problems'],
  ...['notes', 'measured', 'estimate']
]
const TESTED = [
  ...['key', 'date', 'kind', 'stateSha256', 'root', 'sourceHost', 'store', 'into', 'destination', 'sample']
]
