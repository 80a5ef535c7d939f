import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { autoBackup, type BackupReport, planBackup, type RunOptions, verifyBackup } from '../../../src/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { Desk } from '../../helpers/desk.js'
import { copyTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../../native/tree.js'

const RSYNC = oracle('rsync')

class Merging extends NaiveChain {
  constructor(t: TestContext) {
    super(temporaryDirectory(t))
    this.write('edited', randomBytes(200_000, 1))
    this.write('kept', randomBytes(100_000, 2))
  }
  write(path: string, content: Buffer): void {
    writeFileSync(join(this.source, path), content)
  }
  async auto(options: RunOptions): Promise<BackupReport> {
    const report = await autoBackup(this.source, { ...this.options, ...options })
    this.reports.push(report)
    copyTree(this.source, this.copy(report.date))
    return report
  }
  plan(options: RunOptions) {
    const { store, cache } = this.options
    return planBackup('key', { store, cache, ...options, source: this.source })
  }
  async assertAll(): Promise<void> {
    for (const { date } of this.reports) await this.assertRestores(date)
    const { problems } = await verifyBackup('key', { store: this.storePath, cache: false, readData: true })
    assert.deepEqual(problems, [])
  }
}

test('a chain that is only too long is folded, and the source is read for changes only', RSYNC, async t => {
  const chain = new Merging(t)
  const limits = { maxChain: 3, merge: true }
  const made = []
  for (let i = 0; i < 8; i++) {
    appendFileSync(join(chain.source, 'edited'), randomBytes(100, i))
    const { merge, increments } = await chain.plan(limits)
    const { kind, merged, level, largest } = await chain.auto(limits)
    assert.deepEqual([merge !== undefined, merge?.from], [merged !== undefined, merged?.after])
    if (merged === undefined) assert.equal(increments, level!.increments)
    if (i > 0)
      assert.deepEqual(
        largest.map(({ path }) => path),
        ['edited']
      )
    made.push([kind, merged?.kind, level?.increments])
  }
  assert.deepEqual(made, [
    ['full', undefined, 0],
    ['incremental', undefined, 0],
    ['incremental', undefined, 1],
    ['incremental', undefined, 2],
    ['incremental', 'incremental', 1],
    ['incremental', undefined, 2],
    ['incremental', 'incremental', 1],
    ['incremental', undefined, 2]
  ])
  await chain.assertAll()
})

test('where a restore reads too much, the newest backup becomes a full', RSYNC, async t => {
  const chain = new Merging(t)
  const limits = { maxRestoreRatio: 1.4, maxChain: 100, merge: true }
  // The deltas together stay smaller than the file: a content that is stored whole again is read alone.
  const end = randomBytes(200_000, 3)
  const merges: (string | undefined)[] = []
  for (let i = 0; i < 5; i++) {
    chain.write('edited', Buffer.concat([randomBytes(90_000, 10 + i), end]))
    const { kind, merged, level } = await chain.auto(limits)
    assert.equal(kind, i === 0 ? 'full' : 'incremental')
    if (merged !== undefined) assert.ok(level!.increments === 0 && level!.restore!.ratio < 1.05, JSON.stringify(level))
    merges.push(merged?.kind)
  }
  assert.equal(merges.slice(0, 4).join(), ',,,full')
  await chain.assertAll()
})

test('where only one incremental may be, there is no room for a fold', async t => {
  const chain = new Merging(t)
  const merges: (string | undefined)[] = []
  for (let i = 0; i < 4; i++) {
    appendFileSync(join(chain.source, 'edited'), 'x')
    merges.push((await chain.auto({ maxChain: 1, merge: true })).merged?.kind)
  }
  assert.deepEqual(merges, [undefined, undefined, 'full', 'full'])
  const { kind, merged } = await chain.auto({ maxChain: 0, merge: true })
  assert.deepEqual([kind, merged], ['full', undefined])
})

test('a merge that fails is reported, and a full of the source follows', RSYNC, async t => {
  const chain = new Merging(t)
  const first = await chain.auto({})
  appendFileSync(join(chain.source, 'edited'), 'x')
  await chain.auto({})
  const archive = chain.artifact('full', first.date)
  const bytes = readFileSync(archive)
  writeFileSync(archive, bytes.fill(7, 1000, 100_000))
  const codes: string[] = []
  const limits = { maxChain: 1, merge: true }
  const { kind, fullReason, merged, date } = await chain.auto({ ...limits, onError: ({ code }) => codes.push(code) })
  assert.deepEqual([kind, fullReason, merged, codes.length], ['full', 'chain-too-long', undefined, 1])
  await chain.assertRestores(date)
})

test('a dry run merges nothing', async t => {
  const chain = new Merging(t)
  for (let i = 0; i < 2; i++) await chain.auto({})
  const before = chain.stored()
  const { kind, merged, level } = await chain.auto({ maxChain: 1, merge: true, dryRun: true })
  assert.deepEqual([kind, merged, level?.merge], ['incremental', undefined, { reason: 'chain-too-long' }])
  assert.deepEqual(chain.stored(), before)
})

test('a merge of another source is refused before anything is written', async t => {
  const chain = new Merging(t)
  for (let i = 0; i < 2; i++) await chain.auto({})
  const before = chain.stored()
  const other = join(chain.base, 'other')
  mkdirSync(other)
  const options = { ...chain.options, maxChain: 1, merge: true }
  await assert.rejects(autoBackup(other, options), { code: 'IBT_SOURCE_MISMATCH' })
  assert.deepEqual(chain.stored(), before)
})

test('ibt plan says what ibt backup --merge then does', oracle('jq'), t => {
  const desk = new Desk(t)
  const jq = (filter: string, input: string) => execFileSync('jq', ['-c', filter], { input, encoding: 'utf8' }).trim()
  mkdirSync(desk.at('photos'))
  for (let i = 0; i < 3; i++) {
    writeFileSync(desk.at('photos', `new ${i}`), randomBytes(20_000, i))
    desk.ibt('backup', 'photos')
  }
  const limits = ['--max-chain', '2', '--merge']
  assert.match(
    desk.ibt('plan', 'photos', ...limits).stdout,
    /Before, it would merge the incrementals behind \d{8}T\S+ to one/
  )
  assert.equal(
    jq('[.kind, .merge.reason]', desk.ibt('plan', 'photos', ...limits, '--json').stdout),
    '["incremental","chain-too-long"]'
  )
  const { stdout, status } = desk.ibt('backup', 'photos', ...limits)
  assert.equal(status, 0)
  assert.match(stdout, /First, the incrementals behind \S+ merged to one: .* stored; ibt prune removes/)
  assert.equal(desk.ibt('verify', 'photos', '--read-data').status, 0)
  assert.equal(desk.ibt('backup', 'photos', '--out', '-', '--merge').status, 2)
})
