import assert from 'node:assert/strict'
import { appendFileSync, linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type BackupError,
  type ReceiveOptions,
  receiveBackup,
  restoreBackup,
  type SendOptions,
  type SendReport,
  type Store,
  sendBackup,
  verifyBackup
} from '../../../src/index.js'
import { memoryStore } from '../../../src/stores/index.js'
import { type FarLineOptions, farLine } from '../../helpers/far-line.js'
import { assertSameTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const KEY = 'key'
const CHECKPOINT_BYTES = 300_000

interface Sent {
  readonly report: SendReport | undefined
  readonly code: string | undefined
  readonly sentBytes: number
}

async function send(
  source: string,
  store: Store,
  options: SendOptions = {},
  { line, receive }: { readonly line?: FarLineOptions; readonly receive?: ReceiveOptions } = {}
): Promise<Sent> {
  const { near, far } = farLine(line)
  const [sent] = await Promise.allSettled([
    sendBackup(near, source, { key: KEY, checkpointBytes: CHECKPOINT_BYTES, ...options }),
    receiveBackup(far, { store, cache: false, ...receive })
  ])
  const isSent = sent.status === 'fulfilled'
  const sentBytes = far.receivedBytes
  return isSent
    ? { report: sent.value, code: undefined, sentBytes }
    : { report: undefined, code: (sent.reason as BackupError).code, sentBytes }
}

/** 40 files of up to 100 kB, one that is larger than a checkpoint, hard links and odd names. */
function makeSource(t: TestContext): { readonly source: string; readonly sizeBytes: number } {
  const source = join(temporaryDirectory(t), 'source')
  const random = createRandom(4)
  let sizeBytes = 500_000
  for (let i = 0; i < 40; i++) {
    const directory = join(source, `directory ${i % 3}`)
    mkdirSync(directory, { recursive: true })
    const bytes = random.bytes(i % 7 === 0 ? 0 : 1 + random.int(100_000))
    sizeBytes += bytes.length
    writeFileSync(join(directory, `line\n${i}`), bytes)
  }
  writeFileSync(join(source, 'directory 1/large'), random.bytes(500_000))
  linkSync(join(source, 'directory 1/large'), join(source, 'directory 2/linked'))
  writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff])]), 'not UTF-8')
  return { source, sizeBytes }
}

test('of a run that is cut, what came before the last checkpoint is not sent again', oracle('rsync'), async t => {
  const { source, sizeBytes } = makeSource(t)
  const store = memoryStore()
  const random = createRandom(5)
  let [sentBytes, cuts, checkpoints] = [0, 0, 0]
  for (let last: SendReport | undefined; last?.postponedFiles !== 0; ) {
    // Two of three runs are cut, each somewhere.
    const bytes = (cuts + checkpoints) % 3 < 2 ? random.int(CHECKPOINT_BYTES) : Infinity
    const {
      report,
      code,
      sentBytes: sent
    } = await send(source, store, {}, { line: { cutAfter: { from: 'near', bytes } } })
    sentBytes += sent
    if (report === undefined) {
      cuts++
      assert.match(String(code), /IBT_(CONNECTION_LOST|OUTCOME_UNKNOWN)/)
      continue
    }
    last = report
    checkpoints++
    assert.ok(report.storedBytes < 530_000, `${report.storedBytes}`)
    assert.equal(report.skippedEntries, 0)
    assert.equal(report.totals.unreadable, report.postponedFiles)
    assert.ok(checkpoints < 20)
  }
  assert.ok(cuts > 3 && checkpoints > 4, `${cuts} cuts, ${checkpoints} checkpoints`)
  // Each cut costs at most a checkpoint.
  assert.ok(
    sentBytes < sizeBytes + (cuts + 1) * CHECKPOINT_BYTES + (cuts + checkpoints) * 10_000,
    `${sentBytes} of ${sizeBytes}`
  )
  assert.deepEqual((await verifyBackup(KEY, { store, cache: false, readData: true })).problems, [])
  const out = join(source, '../out')
  await restoreBackup(KEY, out, { store, cache: false })
  assertSameTree(out, source)
  const { report } = await send(source, store, { skipUnchanged: true })
  assert.deepEqual([report?.isStored, report?.postponedFiles], [false, 0])
})

test('a checkpoint says what it lacks, and files of the backup before are never left', async t => {
  const { source } = makeSource(t)
  const store = memoryStore()
  const errors: BackupError[] = []
  const { report: first } = await send(source, store, { onError: error => errors.push(error) })
  assert.ok(first!.postponedFiles > 20)
  assert.deepEqual(errors, [])
  const restored = await restoreBackup(KEY, join(source, '../part'), { store, cache: false })
  assert.equal(restored.skippedEntries, first!.postponedFiles)
  await send(source, store, { checkpointBytes: undefined })
  // Of a complete backup, large changes and a new file: the changes are all there.
  for (let i = 0; i < 40; i += 2)
    appendFileSync(join(source, `directory ${i % 3}`, `line\n${i}`), createRandom(i).bytes(50_000))
  renameSync(join(source, 'directory 0/line\n3'), join(source, 'directory 0/renamed'))
  for (const name of ['a', 'b', 'c']) writeFileSync(join(source, name), createRandom(9).bytes(200_000))
  rmSync(join(source, 'directory 2'), { recursive: true })
  const { report } = await send(source, store, { checkpointBytes: 1 })
  assert.equal(report!.postponedFiles, 3)
  assert.ok(report!.totals.updated > 10)
  let last = report!
  while (last.postponedFiles > 0) last = (await send(source, store, { checkpointBytes: 1 })).report!
  await restoreBackup(KEY, join(source, '../out'), { store, cache: false })
  assertSameTree(join(source, '../out'), source)
})

test('a full that a limit asks for has no checkpoint: it would never be done', async t => {
  const { source } = makeSource(t)
  const store = memoryStore()
  const limit = { receive: { maxChain: 1 } }
  const kinds: string[] = []
  for (let i = 0; i < 3; i++) {
    const { report } = await send(source, store, {}, limit)
    kinds.push(`${report!.kind} ${report!.postponedFiles > 0}`)
  }
  assert.deepEqual(kinds, ['full true', 'incremental true', 'full false'])
  await assert.rejects(sendBackup(farLine().near, source, { checkpointBytes: 0 }), RangeError)
})
