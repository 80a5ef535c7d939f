import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { age } from '../../../src/age/index.js'
import {
  Chain,
  eraseFiles,
  findEntries,
  fullBackup,
  listEntries,
  listRemoved,
  mergeBackups,
  pruneBackups,
  restoreBackup,
  retainBackups,
  verifyBackup
} from '../../../src/index.js'
import { memoryStore } from '../../../src/stores/index.js'
import { assertRestoresByHand, BY_HAND_TOOLS } from '../../helpers/by-hand.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code, collect } from '../../helpers/entries.js'
import { filesWith, forgetPath } from '../../helpers/erased.js'
import { makeKeyPair } from '../../helpers/keys.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const SECRET = 'the password is swordfish-7261'
const TOOLS = oracle(...BY_HAND_TOOLS)

/** A content without repetition, of lines that differ. */
function lines(count: number, seed: number): string {
  const random = createRandom(seed)
  return Array.from({ length: count }, (_, i) => `${i} ${random.bytes(30).toString('base64')}\n`).join('')
}

class Leak {
  readonly chain: NaiveChain

  constructor(t: TestContext) {
    this.chain = new NaiveChain(temporaryDirectory(t))
    this.write('kept', lines(1000, 1))
    mkdirSync(this.at('dir'))
    this.write('dir/other', 'another file')
  }

  at(path: string): string {
    return join(this.chain.source, path)
  }

  write(path: string, content: string): void {
    writeFileSync(this.at(path), content)
  }

  get options() {
    const { store, cache } = this.chain.options
    return { store, cache }
  }

  /** Erases, and takes the paths out of the naive copies. */
  async erase(patterns: readonly string[], paths: readonly string[]) {
    const report = await eraseFiles('key', patterns, this.options)
    assert.deepEqual(report.left, [])
    for (const { date } of this.chain.reports) for (const path of paths) forgetPath(this.chain.copy(date), path)
    return report
  }

  /** Every date that is given comes back, also by hand, and no artifact has the text, nor the cache. */
  async assertErased(dates = this.chain.reports.map(({ date }) => date), text = SECRET): Promise<void> {
    for (const at of dates) {
      await this.chain.assertRestores(at)
      const { problems } = await verifyBackup('key', { ...this.options, at, readData: true })
      assert.deepEqual(problems, [], at)
    }
    for (const at of new Set([dates[0]!, dates.at(-1)!])) {
      const entries = await collect(listEntries('key', { ...this.options, at }))
      const erased = entries.filter(({ erased }) => erased !== undefined).map(({ path }) => path)
      assertRestoresByHand(this.chain, at, erased.reverse())
    }
    assert.deepEqual(filesWith(this.chain.storePath, text), [])
    assert.deepEqual(filesWith(this.chain.cachePath, text), [])
  }
}

test('a small file is gone from every date, and said to be', TOOLS, async t => {
  const leak = new Leak(t)
  const { chain } = leak
  leak.write('dir/secret', SECRET)
  await chain.full()
  appendFileSync(leak.at('kept'), 'more\n')
  await chain.incremental()
  leak.write('dir/secret', `${SECRET}, and more`)
  await chain.incremental()
  rmSync(leak.at('dir/secret'))
  await chain.incremental()
  const before = chain.stored()
  const planned = await eraseFiles('key', ['dir/secret'], { ...leak.options, dryRun: true })
  assert.deepEqual(chain.stored(), before)
  const { plan, erased } = await leak.erase(['dir/secret'], ['dir/secret'])
  assert.deepEqual(plan, planned.plan)
  const dates = chain.reports.map(({ date }) => date)
  assert.deepEqual(
    plan.backups.map(({ date, kind, files }) => ({ date, kind, files })),
    [
      { date: dates[0], kind: 'full', files: 1 },
      { date: dates[1], kind: 'incremental', files: 1 },
      { date: dates[2], kind: 'incremental', files: 1 }
    ]
  )
  await leak.assertErased()
  assert.ok(
    chain.stored('state').some(name => name.includes(dates[3]!)),
    'the last date is as it was'
  )
  const entries = await collect(listEntries('key', { ...leak.options, at: dates[1]!, paths: ['dir/secret'] }))
  assert.deepEqual(
    entries.map(({ path, type, sizeBytes, sha256, erased }) => ({ path, type, sizeBytes, sha256, erased })),
    [{ path: 'dir/secret', type: 'unreadable', sizeBytes: undefined, sha256: undefined, erased }]
  )
  const report = await chain.restore('again', { at: dates[0]! })
  assert.deepEqual([report.erasedEntries, report.skippedEntries], [1, 0])
  const versions = await collect(findEntries('key', 'secret', leak.options))
  assert.deepEqual(
    versions.map(({ first, last, erased }) => [first, last, erased]),
    [[dates[0], dates[2], erased]]
  )
  const { plan: second, swept } = await eraseFiles('key', ['dir/secret'], leak.options)
  assert.deepEqual([second.backups, second.erasedBefore, swept?.deleted], [[], 3, []])
})

test('a file that is still in the source is stored again', TOOLS, async t => {
  const leak = new Leak(t)
  leak.write('secret', SECRET)
  await leak.chain.full()
  await leak.erase(['secret'], ['secret'])
  const { totals } = await leak.chain.incremental()
  assert.equal(totals.created, 1)
  const [first, last] = leak.chain.reports.map(({ date }) => date)
  await leak.chain.assertRestores(first!)
  await leak.chain.assertRestores(last!)
  assert.equal(filesWith(leak.chain.storePath, SECRET).length, 1)
  await leak.erase(['secret'], ['secret'])
  await leak.assertErased()
})

test('a large file with deltas is gone, with its signatures', TOOLS, async t => {
  const leak = new Leak(t)
  const { chain } = leak
  leak.write('secret', `${lines(2000, 2)}${SECRET}\n${lines(2000, 3)}`)
  await chain.full()
  leak.write('secret', `${lines(1000, 2)}more of it: ${SECRET}\n${lines(2000, 3)}`)
  appendFileSync(leak.at('kept'), 'more\n')
  await chain.incremental()
  assert.deepEqual(chain.stored('updated').length, 1)
  appendFileSync(leak.at('secret'), 'the end')
  await chain.incremental()
  const { plan } = await leak.erase(['/secret'], ['secret'])
  assert.equal(plan.sigvaults.length, 3)
  await leak.assertErased()
  for (const name of chain.stored('sigvault')) {
    assert.ok(!plan.sigvaults.some(gone => gone.name === name), name)
  }
  appendFileSync(leak.at('kept'), 'and more\n')
  rmSync(leak.at('secret'))
  await chain.incremental()
  await leak.assertErased()
})

test(
  'what is made of it under another name becomes whole, and what has it under another name stays',
  TOOLS,
  async t => {
    const leak = new Leak(t)
    const { chain } = leak
    const log = `${lines(1000, 4)}`
    leak.write('log.1', `${SECRET}\n${log}`)
    leak.write('copied', 'copied')
    await chain.full()
    renameSync(leak.at('log.1'), leak.at('log.2'))
    leak.write('log.2', `${log}and more\n`)
    leak.write('log.1', 'begun anew')
    await chain.incremental()
    appendFileSync(leak.at('log.2'), 'and more\n')
    copyFileSync(leak.at('log.1'), leak.at('copied'))
    await chain.incremental()
    appendFileSync(leak.at('log.2'), 'and more\n')
    await chain.incremental()
    const dates = chain.reports.map(({ date }) => date)
    const { plan } = await leak.erase(['log.1'], ['log.1'])
    assert.deepEqual(plan.builtOn, [{ path: 'log.2', first: dates[1], last: dates[1] }])
    assert.deepEqual(plan.copies, [{ path: 'copied', first: dates[2], last: dates[3] }])
    await leak.assertErased()
  }
)

test('another name of a hard link keeps the content', TOOLS, async t => {
  const leak = new Leak(t)
  const { chain } = leak
  leak.write('a', 'linked content')
  linkSync(leak.at('a'), leak.at('b'))
  linkSync(leak.at('a'), leak.at('c'))
  await chain.full()
  appendFileSync(leak.at('kept'), 'more\n')
  await chain.incremental()
  const { plan } = await leak.erase(['a'], ['a'])
  assert.deepEqual(
    plan.copies.map(({ path }) => path),
    ['b', 'c']
  )
  await leak.assertErased(undefined, 'nothing has this')
})

test('archives of removed dates are looked into, and removed backups that have it do not come back', TOOLS, async t => {
  const leak = new Leak(t)
  const { chain } = leak
  await chain.full()
  leak.write('secret', SECRET)
  leak.write('needed', 'needed later')
  const withIt = await chain.incremental()
  rmSync(leak.at('secret'))
  const harmless = await chain.incremental()
  leak.write('last', 'last')
  await chain.incremental()
  await pruneBackups('key', { ...leak.options, keepLast: 1 })
  const [first, , , last] = chain.reports.map(({ date }) => date)
  assert.deepEqual(
    (await listRemoved('key', leak.options)).map(({ date }) => date),
    [first, withIt.date, harmless.date]
  )
  const { plan, swept } = await leak.erase(['secret'], ['secret'])
  assert.deepEqual(
    plan.backups.map(({ date }) => date),
    [last]
  )
  assert.deepEqual(
    plan.purged.map(({ date }) => date),
    [withIt.date, harmless.date]
  )
  assert.deepEqual(
    swept!.waiting.map(({ date }) => date),
    [first]
  )
  await leak.assertErased([last!])
})

test('what only a removed date has, whose state is gone for good, is found', TOOLS, async t => {
  const leak = new Leak(t)
  const { chain } = leak
  leak.write('secret', SECRET)
  await chain.full()
  rmSync(leak.at('secret'))
  const last = await chain.incremental()
  await pruneBackups('key', { ...leak.options, keepLast: 1, graceMs: 0 })
  assert.equal(filesWith(chain.storePath, SECRET).length, 1)
  const { plan } = await leak.erase(['secret'], ['secret'])
  assert.deepEqual(
    plan.backups.map(({ date, kind }) => [date, kind]),
    [[last.date, 'full']]
  )
  await leak.assertErased([last.date])
})

test('a pattern that nothing matches changes nothing', async t => {
  const leak = new Leak(t)
  await leak.chain.full()
  await leak.chain.incremental()
  await mergeBackups('key', leak.options)
  const before = leak.chain.stored()
  const { plan, swept } = await leak.erase(['nothing'], [])
  assert.deepEqual([plan.isNeeded, plan.backups, swept], [false, [], undefined])
  assert.deepEqual(leak.chain.stored(), before)
  await assert.rejects(eraseFiles('key', [], leak.options), RangeError)
})

test('what the store has locked is refused by name before anything is changed', async t => {
  const leak = new Leak(t)
  leak.write('secret', SECRET)
  await leak.chain.full()
  await retainBackups('key', { ...leak.options, until: '2100-01-01' })
  const before = leak.chain.stored()
  await assert.rejects(eraseFiles('key', ['secret'], leak.options), (error: Error) => {
    assert.ok(code('IBT_RETAINED')(error))
    assert.match(
      error.message,
      /^key\.full\.\S+ is locked until 2100-01-01T\S+ \(and 1 more of key\): nothing is erased$/
    )
    return true
  })
  assert.deepEqual(leak.chain.stored(), before)
})

test('a copy beside an artifact is said to be left', TOOLS, async t => {
  const leak = new Leak(t)
  leak.write('secret', SECRET)
  const { date } = await leak.chain.full()
  const copy = `${leak.chain.artifact('full', date)}.old`
  copyFileSync(leak.chain.artifact('full', date), copy)
  const { left } = await eraseFiles('key', ['secret'], leak.options)
  assert.deepEqual(
    left.map(({ name }) => join(leak.chain.storePath, name)),
    [copy]
  )
})

test('what was encrypted is written again encrypted', async t => {
  const { identity, recipient } = await makeKeyPair()
  const cipher = age({ recipients: [recipient], identities: [identity] })
  const base = temporaryDirectory(t)
  const store = memoryStore()
  const options = { store, cache: false, key: 'key', encrypt: cipher } as const
  mkdirSync(join(base, 'source'))
  writeFileSync(join(base, 'source/secret'), SECRET)
  writeFileSync(join(base, 'source/kept'), 'kept')
  await fullBackup(join(base, 'source'), options)
  const reader = { store, cache: false, codecs: [cipher] } as const
  const { left } = await eraseFiles('key', ['secret'], reader)
  assert.deepEqual(left, [])
  const chain = await Chain.open(store, 'key', reader)
  assert.deepEqual(chain.artifacts.map(({ kind }) => kind).sort(), ['full', 'state'])
  for (const { name, codec } of chain.artifacts) {
    assert.ok(name.endsWith('.age'), name)
    const bytes = Buffer.concat(await collect(codec().decodeAll(store.get(name), name)))
    assert.ok(!bytes.includes(SECRET), name)
  }
  const { erasedEntries, files } = await restoreBackup('key', join(base, 'restored'), reader)
  assert.deepEqual([erasedEntries, files], [1, 1])
})
