import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { autoBackup, type BackupReport, planBackup, type RunOptions } from '../../src/index.js'
import { NaiveChain } from '../helpers/chain.js'
import { Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const JQ = oracle('jq')

class Levelled extends NaiveChain {
  constructor(t: TestContext) {
    super(temporaryDirectory(t))
    writeFileSync(this.file, randomBytes(200_000, 1))
    writeFileSync(join(this.source, 'other'), randomBytes(100_000, 2))
  }
  get file(): string {
    return join(this.source, 'file')
  }
  auto(options: RunOptions): Promise<BackupReport> {
    return autoBackup(this.source, { ...this.options, ...options })
  }
}

test('without limits only the first backup is a full', async t => {
  const chain = new Levelled(t)
  const kinds = []
  for (let i = 0; i < 4; i++) kinds.push((await chain.auto({})).kind)
  assert.deepEqual(kinds, ['full', 'incremental', 'incremental', 'incremental'])
})

test('a chain has at most maxChain incrementals', async t => {
  const chain = new Levelled(t)
  const made = []
  for (let i = 0; i < 6; i++) {
    appendFileSync(chain.file, 'x')
    const { kind, fullReason, level } = await chain.auto({ maxChain: 2 })
    made.push([kind, fullReason, level?.increments])
  }
  const [first, full] = [
    ['full', 'first', 0],
    ['full', 'chain-too-long', 2]
  ]
  const between = [0, 1].map(increments => ['incremental', undefined, increments])
  assert.deepEqual(made, [first, ...between, full, ...between])
  assert.equal((await chain.auto({ maxChain: 0 })).fullReason, 'chain-too-long')
})

test('a full comes when a restore reads more than maxRestoreRatio times what it would of a full', async t => {
  const chain = new Levelled(t)
  const ratios: number[] = []
  const reasons: (string | undefined)[] = []
  for (let i = 0; i < 6; i++) {
    // Each delta has about a quarter of the bytes of a full. The deltas together stay smaller than the file.
    writeFileSync(
      chain.file,
      Buffer.concat([randomBytes(90_000, 10 + i), randomBytes(200_000, 1), randomBytes(10_000, 2)])
    )
    const { fullReason, level } = await chain.auto({ maxRestoreRatio: 1.55 })
    if (level?.restore !== undefined) ratios.push(level.restore.ratio)
    reasons.push(fullReason)
  }
  const none = [undefined, undefined, undefined]
  assert.deepEqual(reasons, ['first', ...none, 'restore-too-large', undefined], `${ratios}`)
  const expected = [1, 1.225, 1.45, 1.675, 1]
  assert.ok(ratios.length === 5 && ratios.every((ratio, i) => Math.abs(ratio - expected[i]!) < 0.05), `${ratios}`)
})

test('a plan says what the next backup then does, and reads no content', async t => {
  const chain = new Levelled(t)
  const { storePath: store, cachePath: cache, source } = chain
  const names = () => (existsSync(store) ? readdirSync(store) : [])
  const options = { store, cache, maxChain: 2, maxRestoreRatio: 50 }
  for (let i = 0; i < 5; i++) {
    appendFileSync(chain.file, 'x')
    writeFileSync(join(source, `new ${i}`), 'x'.repeat(1000))
    const before = names()
    const plan = await planBackup('key', { ...options, source })
    assert.deepEqual(names(), before)
    const { source: found, ...choice } = plan
    const { key: _, ...level } = choice
    assert.deepEqual(await planBackup('key', options), choice)
    const report = await chain.auto(options)
    assert.deepEqual([report.level, report.kind], [level, plan.kind])
    assert.equal(found!.entries, report.totals.entries)
    if (report.kind === 'full') assert.equal(found!.readBytes, report.totals.sizeBytes)
    else {
      const { created, updated, deleted } = report.totals
      assert.deepEqual([found!.changes.created, found!.changes.deleted], [created, deleted])
      // Files that have changed just now are read again, and turn out to be unchanged.
      assert.ok(found!.changes.updated >= updated)
      assert.equal(found!.readFiles, created + found!.changes.updated)
    }
    if (i === 2) rmSync(join(source, 'other'))
  }
})

test('a limit that makes no sense is refused before anything is touched', async t => {
  const chain = new Levelled(t)
  for (const limits of [
    { maxChain: -1 },
    { maxChain: 1.5 },
    { maxRestoreRatio: 0.9 },
    { maxRestoreRatio: Number.NaN }
  ]) {
    await assert.rejects(chain.auto(limits), RangeError)
    await assert.rejects(planBackup('key', { store: chain.storePath, ...limits }), RangeError)
  }
})

test('ibt plan explains the choice of ibt backup', JQ, t => {
  const desk = new Desk(t)
  const jq = (filter: string, input: string) => execFileSync('jq', ['-c', filter], { input, encoding: 'utf8' }).trim()
  mkdirSync(desk.at('photos'))
  writeFileSync(desk.at('photos', 'one'), randomBytes(100_000, 1))
  assert.match(desk.ibt('plan', 'photos', 'photos').stdout, /would be a full because: the first backup of the key\n/)
  desk.ibt('backup', 'photos')
  appendFileSync(desk.at('photos', 'one'), 'x')
  const text = desk.ibt('plan', 'photos', 'photos', '--max-restore-ratio', '2').stdout
  assert.match(text, /would be an incremental on \d{8}T/)
  assert.match(text, /ratio 1\.0\d \(limit 2\)/)
  assert.match(text, /1 file would be read, 97\.7 KiB\n/)
  const json = desk.ibt('plan', 'photos', '--max-chain', '0', '--json').stdout
  assert.equal(jq('[.kind, .fullReason, .increments, .limits]', json), '["full","chain-too-long",0,{"maxChain":0}]')
  const report = desk.ibt('backup', 'photos', '--max-chain', '0', '--json').stdout
  assert.equal(jq('select(.event == "report") | [.kind, .fullReason]', report), '["full","chain-too-long"]')
  assert.match(
    desk.ibt('why', 'photos').stdout,
    /is a full: the chain has as many incrementals as --max-chain allows\n/
  )
  for (const wrong of [
    ['--max-chain', 'many'],
    ['--max-restore-ratio', '0.5'],
    ['--key', 'other']
  ]) {
    assert.equal(desk.ibt('plan', 'photos', ...wrong).status, 2)
  }
  assert.equal(desk.ibt('plan', 'photos', '-').status, 2)
})
