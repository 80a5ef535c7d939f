import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { age } from '../../../src/age/index.js'
import {
  Chain,
  cleanBackups,
  copyBackups,
  eraseFiles,
  gzip,
  listBackups,
  listEntries,
  type MergeOptions,
  mergeBackups,
  planRestore,
  pruneBackups,
  type RunOptions,
  verifyBackup,
  whyBackup
} from '../../../src/index.js'
import { chainBase } from '../../../src/plan/chain-base.js'
import { directoryStore, memoryStore } from '../../../src/stores/index.js'
import { assertRestoresByHand, BY_HAND_TOOLS } from '../../helpers/by-hand.js'
import type { NaiveChain } from '../../helpers/chain.js'
import { code, collect } from '../../helpers/entries.js'
import { interrupted } from '../../helpers/interrupted.js'
import { makeKeyPair } from '../../helpers/keys.js'
import { keepStore, killedAfter, makeSegmented, mergeSmall, puttingStore, records } from '../../helpers/merging.js'
import { oracle } from '../../helpers/oracle.js'
import { Tree } from '../../helpers/tree.js'

const dates = (chain: NaiveChain) => chain.reports.map(({ date }) => date)
const open = (chain: NaiveChain) => Chain.open(directoryStore(chain.storePath), 'key')

/** A merge that is killed when it has put so many names. */
async function kill(chain: NaiveChain, puts: number, options: MergeOptions = {}): Promise<void> {
  const store = killedAfter(directoryStore(chain.storePath), puts)
  await assert.rejects(mergeSmall(chain, { ...options, store }), /killed/)
}

/** Every date comes back, proven by digests, and nothing is left of segments. */
async function assertWhole(chain: NaiveChain, kept = dates(chain), codecs: RunOptions['codecs'] = []): Promise<void> {
  for (const at of kept) {
    const { problems } = await verifyBackup('key', { ...chain.options, codecs, cache: false, at, readData: true })
    assert.deepEqual(problems, [], at)
  }
  assert.deepEqual(records(chain), [])
}

test('a merge goes on wherever it was killed, and puts nothing again that was finished', oracle('rsync'), async t => {
  const chain = await makeSegmented(t)
  const [first, , , last] = dates(chain)
  for (const which of [{ at: last }, { from: first, to: last, segmentBytes: 300 }]) {
    const restoreStore = keepStore(chain)
    const { store, puts } = puttingStore(chain)
    const whole = await mergeSmall(chain, { ...which, store })
    assert.equal(whole.resumed, undefined)
    const ends = puts.flatMap((name, i) => (name.includes('.segment.') ? [i + 1] : []))
    assert.ok(ends.length >= 2, `${puts}`)
    for (let killed = 0; killed < puts.length; killed++) {
      restoreStore()
      await kill(chain, killed, which)
      const finished = ends.filter(end => end <= killed).length
      const there = new Set(chain.stored().filter(name => name.includes('.asof-')))
      assert.equal(records(chain).length, finished)
      const again = puttingStore(chain)
      const report = await mergeSmall(chain, { ...which, store: again.store })
      assert.deepEqual([report.resumed?.segments ?? 0, report.restarted], [finished, undefined])
      // What was finished has its old name; whatever else is stored, under new ones.
      assert.ok(again.puts.every(name => !there.has(name)))
      assert.equal(
        again.puts.length,
        puts.length - (finished === 0 ? 0 : ends[finished - 1]!),
        `killed after ${killed}`
      )
      await assertWhole(chain, [last!])
      const unneeded = await cleanBackups('key', { ...chain.options, cache: false, graceMs: 0, keepSigvaults: true })
      assert.ok(
        unneeded.deleted.every(({ name }) => !name.includes('.asof-')),
        `killed after ${killed}`
      )
    }
    for (const at of dates(chain)) await chain.assertRestores(at)
    restoreStore()
  }
})

test('a small merge is stored as one, without records', async t => {
  const chain = await makeSegmented(t)
  const { store, puts } = puttingStore(chain)
  await mergeSmall(chain, { store, segmentBytes: undefined })
  assert.deepEqual(puts.map(name => name.split('.')[1]).sort(), ['full', 'sigvault', 'state'])
  await assert.rejects(mergeSmall(chain, { segmentBytes: 0 }), RangeError)
})

test('the backups of a merge in segments are what they are of one in one', oracle('rsync'), async t => {
  const chain = await makeSegmented(t)
  const [first, second, , last] = dates(chain)
  const said = async (at: string) =>
    (await collect(listEntries('key', { store: chain.storePath, cache: false, at }))).map(entry => ({
      ...entry,
      ...{ places: undefined, signature: undefined, knownAs: undefined }
    }))
  const before = await said(last!)
  const { kind } = await mergeSmall(chain, { at: last })
  assert.equal(kind, 'full')
  assert.deepEqual(await said(last!), before)
  assert.equal((await mergeSmall(chain, { at: last })).wasMerged, true)
  const listed = await collect(listBackups('key', { store: chain.storePath, cache: false }))
  assert.deepEqual(
    listed.map(({ date, kind }) => [date, kind]),
    dates(chain).map((date, i) => [date, i % 3 === 0 ? 'full' : 'incremental'])
  )
  assert.equal((await whyBackup('key', { store: chain.storePath, cache: false, at: last })).parent, undefined)
  // A content with several names is stored once, whatever segments they are in.
  const entries = await collect((await open(chain)).entries(last!))
  const hard = entries.filter(({ link }) => link !== undefined)
  assert.equal(hard.length, 5)
  assert.equal(new Set(hard.map(({ places }) => `${places![0]!.date} ${places![0]!.offset}`)).size, 1)
  assert.equal(new Set(entries.flatMap(({ places = [] }) => places.map(({ date }) => date))).size > 3, true)
  // The next increments build on it, and can be merged with it.
  new Tree(chain.source, 7).splice('a/one', 100, 0, 9)
  const next = await chain.incremental()
  assert.ok(next.storedBytes < 12_000, `the next increment has ${next.storedBytes} bytes`)
  new Tree(chain.source, 8).splice('d/one', 100, 0, 9)
  await chain.incremental()
  const { date } = await planRestore('key', { store: chain.storePath, cache: false })
  assert.equal(date, dates(chain)[5])
  const { header } = await (await open(chain)).ends(date)
  assert.ok(header.chain.length > 5)
  assert.deepEqual(await chainBase(await open(chain), date), { full: last, increments: 2 })
  await mergeSmall(chain, { from: last, to: dates(chain)[5] })
  await mergeSmall(chain, { from: first, to: second }).catch(() => {})
  await mergeSmall(chain, { at: dates(chain)[4] })
  await assertWhole(chain)
  await pruneBackups('key', { ...chain.options, cache: false, keepLast: 2, graceMs: 0 })
  for (const at of dates(chain).slice(-2)) await chain.assertRestores(at)
  const copy = memoryStore()
  await copyBackups('key', { to: copy, ...chain.options, cache: false })
  const { problems } = await verifyBackup('key', { store: copy, cache: false, readData: true })
  assert.deepEqual(problems, [])
})

const REFUSALS: readonly {
  readonly what: string
  readonly why: RegExp
  readonly change?: (chain: NaiveChain) => void
  readonly options?: MergeOptions
}[] = [
  {
    what: 'a record is damaged',
    why: /./,
    change: chain => flip(join(chain.storePath, records(chain)[0]!))
  },
  {
    what: 'a record is missing',
    why: /is not in the store/,
    change: chain => rmSync(join(chain.storePath, records(chain)[0]!))
  },
  {
    what: 'an archive is missing',
    why: /does not have .*full/,
    change: chain => rmSync(join(chain.storePath, chain.stored('full').find(name => name.includes('.asof-'))!))
  },
  {
    what: 'an archive has another size',
    why: /does not have .*full.* with \d+ bytes/,
    change: chain =>
      truncateSync(join(chain.storePath, chain.stored('full').find(name => name.includes('.asof-'))!), 999)
  },
  {
    what: 'an archive has other bytes',
    why: /full.* is not what was stored/,
    change: chain => flip(join(chain.storePath, chain.stored('full').find(name => name.includes('.asof-'))!))
  },
  { what: 'it is to be written with another codec', why: /does not end in \.gz/, options: { codec: gzip() } },
  { what: 'it is asked to begin anew', why: /begin anew/, options: { resume: false } }
]

for (const { what, why, change, options } of REFUSALS) {
  test(`a merge begins anew if ${what}, and says so`, async t => {
    const chain = await makeSegmented(t)
    await kill(chain, 8)
    assert.ok(records(chain).length >= 2)
    change?.(chain)
    const report = await mergeSmall(chain, options)
    assert.match(report.restarted!, why)
    assert.equal(report.resumed, undefined)
    await assertWhole(chain)
    const { names } = await garbage(chain)
    assert.deepEqual(names, [])
  })
}

function flip(path: string): void {
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(path, bytes)
}

/** Artifacts of merges that no backup needs. */
async function garbage(chain: NaiveChain): Promise<{ names: string[] }> {
  const opened = await open(chain)
  const needed = new Set<string>()
  for (const { date } of opened.backups) for (const { name } of await opened.needs(date)) needed.add(name)
  return { names: chain.stored().filter(name => name.includes('.asof-') && !needed.has(name)) }
}

test('segments of another merge of the same backup are not taken', async t => {
  const chain = await makeSegmented(t)
  const [first, , , last] = dates(chain)
  await kill(chain, 8, { at: last })
  const fold = await mergeSmall(chain, { from: first, to: last })
  assert.match(fold.restarted!, /is of another merge/)
  await assertWhole(chain)
  assert.deepEqual((await garbage(chain)).names, [])
  // Nor are they if the backup has been merged since.
  const restoreStore = keepStore(chain)
  await kill(chain, 8, { at: last })
  const old = records(chain).map(name => [name, readFileSync(join(chain.storePath, name))] as const)
  restoreStore()
  await mergeSmall(chain, { at: last })
  for (const [name, bytes] of old) writeFileSync(join(chain.storePath, name), bytes)
  assert.equal((await mergeSmall(chain, { at: last })).wasMerged, true)
  await cleanBackups('key', { ...chain.options, cache: false })
  await assertWhole(chain)
})

test(
  'a chain that has grown since: the backup leaves the segments, and the merge goes on',
  oracle('rsync'),
  async t => {
    const chain = await makeSegmented(t)
    const [, second, , last] = dates(chain)
    for (const which of [{ at: second }, { at: last }]) {
      await kill(chain, 9, which)
      const left = records(chain)
      assert.ok(left.length >= 2)
      new Tree(chain.source, chain.reports.length).splice('c/two', 50, 5, 9)
      await chain.incremental()
      assert.deepEqual(records(chain), left)
      const { resumed } = await mergeSmall(chain, which)
      assert.equal(resumed?.segments, left.length)
      new Tree(chain.source, chain.reports.length).splice('a/one', 50, 5, 9)
      await chain.incremental()
      await assertWhole(chain)
    }
    for (const at of dates(chain)) await chain.assertRestores(at)
  }
)

test('clean and prune leave the segments for the period of grace, and delete them behind it', async t => {
  const chain = await makeSegmented(t)
  await kill(chain, 8)
  const options = { ...chain.options, cache: false } as const
  const before = chain.stored()
  const swept = await cleanBackups('key', options)
  const left = swept.left.filter(({ reason }) => reason === 'an interrupted merge goes on with it')
  assert.deepEqual(
    left.map(({ name }) => name),
    records(chain)
  )
  await pruneBackups('key', { ...options, keepLast: 4, keepSigvaults: true })
  assert.deepEqual(chain.stored(), before)
  await setTimeout(2)
  const all = await cleanBackups('key', { ...options, graceMs: 1, keepSigvaults: true })
  assert.ok(all.deleted.length > left.length)
  assert.deepEqual(
    chain.stored().filter(name => name.includes('.asof-')),
    []
  )
  const report = await mergeSmall(chain)
  assert.deepEqual([report.resumed, report.restarted], [undefined, undefined])
  await assertWhole(chain)
})

test('of two merges at once that go on, one does', async t => {
  const chain = await makeSegmented(t)
  await kill(chain, 8)
  const refused = () => assert.rejects(mergeSmall(chain), code('IBT_LOCKED'))
  const { resumed } = await mergeSmall(chain, { store: interrupted(directoryStore(chain.storePath), refused) })
  assert.ok(resumed!.segments >= 2)
  await assertWhole(chain)
})

test('an abort and a store that fails leave the finished segments', async t => {
  const chain = await makeSegmented(t)
  const abort = new AbortController()
  let entries = 0
  const onProgress = () => {
    if (++entries === 18) abort.abort(new Error('enough'))
  }
  await assert.rejects(mergeSmall(chain, { signal: abort.signal, onProgress }), /enough/)
  const afterAbort = records(chain).length
  assert.ok(afterAbort > 0)
  const { restarted } = await mergeSmall(chain, { dryRun: true, resume: false })
  assert.match(restarted!, /asked to begin anew/)
  const { resumed } = await mergeSmall(chain)
  assert.equal(resumed?.segments, afterAbort)
  await assertWhole(chain)
})

test(
  'an erasure deletes the segments, and erases from a backup that was merged in segments',
  oracle('rsync'),
  async t => {
    const chain = await makeSegmented(t)
    const [, second, , last] = dates(chain)
    const options = { store: chain.storePath, cache: false } as const
    await mergeSmall(chain, { at: second })
    await kill(chain, 8, { at: last })
    assert.ok(records(chain).length >= 2)
    const erase = async (pattern: string) => {
      const { left } = await eraseFiles('key', [pattern], options)
      assert.deepEqual(left, [])
      assert.deepEqual((await garbage(chain)).names, [])
      await assertWhole(chain)
      const again = await eraseFiles('key', [pattern], options)
      assert.equal(again.swept?.deleted.length ?? 0, 0)
      for (const at of dates(chain)) {
        const found = await collect(listEntries('key', { ...options, at }))
        assert.ok(found.every(({ path, sha256 }) => sha256 === undefined || !path.startsWith(pattern)))
      }
    }
    await erase('c')
    await erase('d')
  }
)

test('encrypted segments go on with the key, and only with a key', async t => {
  const { identity, recipient } = await makeKeyPair()
  const cipher = age({ recipients: [recipient], identities: [identity] })
  const chain = await makeSegmented(t, { encrypt: cipher })
  await kill(chain, 8, { encrypt: cipher })
  for (const name of records(chain)) {
    assert.match(name, /\.age$/)
    assert.equal(readFileSync(join(chain.storePath, name)).toString('latin1').startsWith('age-encryption.org'), true)
  }
  await assert.rejects(mergeBackups('key', { store: chain.storePath, cache: false }), code('IBT_KEY_MISSING'))
  // A dry run writes nothing: a key that reads is enough.
  const before = chain.stored()
  const dry = await mergeSmall(chain, { dryRun: true, codecs: [age({ identities: [identity] })] })
  const { resumed } = await mergeSmall(chain, { encrypt: cipher, dryRun: true })
  assert.ok(resumed!.segments >= 2)
  assert.deepEqual([dry.resumed, dry.isStored, chain.stored()], [resumed, false, before])
  assert.deepEqual((await mergeSmall(chain, { encrypt: cipher })).resumed, resumed)
  await assertWhole(chain, dates(chain), [cipher])
})

test('in a signed store, only records that were signed are believed', async t => {
  const { privateKey: signKey } = generateKeyPairSync('ed25519')
  const other = generateKeyPairSync('ed25519').privateKey
  const chain = await makeSegmented(t, { signKey })
  const restoreStore = keepStore(chain)
  await kill(chain, 8, { signKey })
  assert.ok((await mergeSmall(chain, { signKey })).resumed!.segments >= 2)
  await assertWhole(chain)
  await assert.rejects(mergeSmall(chain, { signKey: other, at: dates(chain)[1] }), code('IBT_MANIFEST_INVALID'))
  // Somebody exchanges a record for another one that is as good.
  restoreStore()
  await kill(chain, 4, { signKey })
  const [record] = records(chain)
  const signed = readFileSync(join(chain.storePath, record!))
  restoreStore()
  writeFileSync(join(chain.storePath, record!), signed)
  const { restarted } = await mergeSmall(chain, { signKey })
  assert.match(restarted!, /not signed/)
  await assertWhole(chain)
})

test(
  'a backup that was merged in segments is restored by hand, also those on it',
  oracle(...BY_HAND_TOOLS),
  async t => {
    const chain = await makeSegmented(t)
    const [first, second, third, last] = dates(chain)
    await mergeSmall(chain, { at: second })
    await mergeSmall(chain, { from: second, to: last })
    for (const date of [first!, second!, third!, last!]) assertRestoresByHand(chain, date)
    new Tree(chain.source, 7).splice('a/one', 100, 0, 9)
    const { date } = await chain.incremental()
    assertRestoresByHand(chain, date)
  }
)
