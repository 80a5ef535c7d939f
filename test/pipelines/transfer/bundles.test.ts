import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { decodeArrived, encodeArrived } from '../../../src/bundle/arrived.js'
import { END_OF_ARCHIVE, encodeEntry, padding } from '../../../src/format/tar-encode.js'
import {
  Chain,
  type ExportOptions,
  exportBackups,
  type ImportOptions,
  importBackups,
  isBackupError,
  listArrived,
  mergeBackups,
  none,
  parseArtifactName,
  pipe,
  restoreBackup,
  verifyBackup
} from '../../../src/index.js'
import { publish, unbundle } from '../../../src/stages/index.js'
import { memoryStore, wrapStore } from '../../../src/stores/index.js'
import type { Source, Store } from '../../../src/types.js'
import { NaiveChain } from '../../helpers/chain.js'
import { bytesOf, code, collect } from '../../helpers/entries.js'
import { assertSameTree, run } from '../../helpers/judges.js'
import { mutate } from '../../helpers/mutate.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const SEED = Number(process.env.SEED ?? 1)
const VOLUME_BYTES = 50_000

/** A full and two incrementals, with deltas and volumes. */
async function makeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { store: memoryStore(), cache: false, codec: none() })
  mkdirSync(join(chain.source, 'sub'))
  writeFileSync(join(chain.source, 'large'), createRandom(1).bytes(300_000))
  writeFileSync(join(chain.source, 'sub/small'), 'small')
  await chain.full()
  for (const round of [1, 2]) {
    appendFileSync(join(chain.source, 'large'), `${round}`)
    writeFileSync(join(chain.source, `sub/new ${round}`), createRandom(round).bytes(70_000))
    await chain.incremental()
  }
  return chain
}

const storeOf = (chain: NaiveChain) => chain.options.store as Store

async function toBytes(chain: NaiveChain, options: ExportOptions = {}): Promise<Buffer> {
  const parts: Uint8Array[] = []
  const take = async (source: Source<Uint8Array>) => void parts.push(...(await collect(source)))
  await exportBackups('key', take, { store: storeOf(chain), cache: false, volumeBytes: VOLUME_BYTES, ...options })
  return Buffer.concat(parts)
}

function receive(bytes: Iterable<Uint8Array>, store: Store, options: ImportOptions = {}) {
  return importBackups(bytes, { store, cache: false, ...options })
}

async function contentsOf(store: Store): Promise<Map<string, string>> {
  const names = (await collect(store.list())).map(({ name }) => name)
  return new Map(
    await Promise.all(names.map(async name => [name, (await bytesOf(store.get(name))).toString('hex')] as const))
  )
}

/** Every name of a store is that of an artifact. */
async function assertTidy(store: Store): Promise<void> {
  const names = [...(await contentsOf(store)).keys()]
  assert.deepEqual(
    names.filter(name => parseArtifactName(name) === undefined),
    []
  )
}

async function assertVerifies(store: Store, at?: string): Promise<void> {
  const { problems } = await verifyBackup('key', { store, cache: false, readData: true, at })
  assert.deepEqual(problems, [])
}

test('all backups of a key go through a bundle, and come out with the same bytes', async t => {
  const chain = await makeChain(t)
  const there = memoryStore()
  const bytes = await toBytes(chain, { all: true })
  const report = await receive([bytes], there)
  assert.deepEqual(
    report.dates,
    chain.reports.map(({ date }) => date)
  )
  assert.deepEqual(await contentsOf(there), await contentsOf(storeOf(chain)))
  assert.equal(report.artifacts, (await contentsOf(there)).size)
  for (const date of report.dates) await assertVerifies(there, date)
  // Once more, nothing is new.
  const again = await receive([bytes], there)
  assert.deepEqual([again.dates, again.artifacts, again.skippedArtifacts], [[], 0, report.artifacts])
})

test('one date goes with the artifacts that it needs, and is restored from them', oracle('rsync'), async t => {
  const chain = await makeChain(t)
  for (const { date } of chain.reports) {
    const there = memoryStore()
    await receive([await toBytes(chain, { at: date })], there)
    await assertVerifies(there)
    const destination = join(chain.base, `out ${date}`)
    await restoreBackup('key', destination, { store: there, cache: false })
    assertSameTree(destination, chain.copy(date))
  }
})

test('the stages alone read an export, too', async t => {
  const chain = await makeChain(t)
  const there = memoryStore()
  await pipe([await toBytes(chain)], unbundle({ key: 'key' }), publish(there))
  await assertVerifies(there)
})

test('a tar of the files of a store is a bundle, whatever their order', oracle('tar'), async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  writeFileSync(join(chain.source, 'large'), createRandom(1).bytes(100_000))
  await chain.full()
  appendFileSync(join(chain.source, 'large'), 'more')
  await chain.incremental()
  for (const names of [chain.stored(), chain.stored().reverse()]) {
    const there = memoryStore()
    await receive([run('tar', ['-C', chain.storePath, '-cf', '-', ...names])], there)
    assert.deepEqual([...(await contentsOf(there)).keys()].sort(), names.sort())
    await assertVerifies(there)
  }
})

test('what arrived of a bundle that was cut off is kept, is no backup, and is resumed from', async t => {
  const chain = await makeChain(t)
  const random = createRandom(SEED)
  for (const all of [false, true]) {
    const there = memoryStore()
    let rounds = 0
    let sentBytes = 0
    for (;;) {
      const arrived = decodeArrived(encodeArrived(await listArrived('key', { store: there })))
      const bytes = await toBytes(chain, { all, arrived })
      // About a volume and a half at a time, cut anywhere.
      const length = Math.min(bytes.length, random.int(3 * VOLUME_BYTES))
      sentBytes += length
      if (length === bytes.length) {
        await receive([bytes], there)
        break
      }
      await assert.rejects(receive([bytes.subarray(0, length)], there), (error: Error & { path?: string }) => {
        assert.ok(code('IBT_ARCHIVE_TRUNCATED')(error), `${error.stack}`)
        assert.ok(length < 1536 || /key\.\w+\.\d{8}T/.test(error.message), error.message)
        return true
      })
      // Whatever is a backup by now is one that is complete.
      const states = [...(await contentsOf(there)).keys()].filter(name => parseArtifactName(name)?.kind === 'state')
      for (const name of states) await assertVerifies(there, parseArtifactName(name)!.date)
      if (!all) assert.deepEqual(states, [])
      assert.ok(++rounds < 200)
    }
    assert.ok(rounds > 2, `${rounds} rounds, seed ${SEED}`)
    await assertTidy(there)
    await assertVerifies(there)
    if (all) assert.deepEqual(await contentsOf(there), await contentsOf(storeOf(chain)))
    const whole = (await toBytes(chain, { all })).length
    // Each cut costs a volume, at most, and the state.
    assert.ok(sentBytes < whole + rounds * 2 * VOLUME_BYTES, `${sentBytes} bytes were sent of ${whole}`)
  }
})

test('a sender that begins anew, with other volumes, is understood', async t => {
  const chain = await makeChain(t)
  const there = memoryStore()
  const bytes = await toBytes(chain)
  await assert.rejects(receive([bytes.subarray(0, 200_000)], there), code('IBT_ARCHIVE_TRUNCATED'))
  await receive([await toBytes(chain, { volumeBytes: 70_001 })], there)
  await assertTidy(there)
  await assertVerifies(there)
  // What a receiver does not have cannot be left out.
  const arrived = await listArrived('key', { store: there })
  const rest = await toBytes(chain, { arrived: { key: 'key', artifacts: arrived.artifacts.slice(1) } })
  await receive([rest], there)
  const part = { key: 'key', artifacts: [{ name: arrived.artifacts[0]!.name, sizeBytes: VOLUME_BYTES, volumes: 1 }] }
  await assert.rejects(receive([await toBytes(chain, { arrived: part })], memoryStore()), code('IBT_ARCHIVE_TRUNCATED'))
})

test('an incremental without what it builds on is refused, and done when that has come', async t => {
  const chain = await makeChain(t)
  const [full, first] = chain.reports.map(({ date }) => date)
  const there = memoryStore()
  const had = await listArrived('key', { store: storeOf(chain) })
  const older = had.artifacts.filter(({ name }) => parseArtifactName(name)!.date === full)
  const increment = await toBytes(chain, { at: first!, arrived: { key: 'key', artifacts: older } })
  await assert.rejects(receive([increment], there), (error: Error) => {
    assert.match(error.message, /needs key\.full\..* neither in the bundle nor in the store/)
    return code('IBT_BASIS_MISSING')(error)
  })
  assert.equal((await contentsOf(there)).has(`key.state.${first}.json`), false)
  await receive([await toBytes(chain, { at: full! })], there)
  const { dates } = await receive([increment], there)
  assert.deepEqual(dates, [first])
  await assertTidy(there)
  await assertVerifies(there)
})

test('an incremental on another backup of the same date is refused', async t => {
  const [chain, other] = [await makeChain(t), await makeChain(t)]
  const there = memoryStore()
  const [full] = other.reports.map(({ date }) => date)
  const [own] = chain.reports.map(({ date }) => date)
  // The same sizes and names, but of another run.
  for (const [name, hex] of await contentsOf(storeOf(other))) {
    if (name.includes(full!)) await there.put(name.replaceAll(full!, own!), [Buffer.from(hex, 'hex')])
  }
  const had = await listArrived('key', { store: storeOf(chain) })
  const older = had.artifacts.filter(({ name }) => parseArtifactName(name)!.date === own)
  const increment = await toBytes(chain, { at: chain.reports[1]!.date, arrived: { key: 'key', artifacts: older } })
  const before = await contentsOf(there)
  await assert.rejects(receive([increment], there), code('IBT_BASIS_MISMATCH'))
  assert.ok([...before].every(([name]) => !name.includes('.state.') || name.includes(own!)))
})

test('another artifact under the same name is refused, and not replaced', async t => {
  const chain = await makeChain(t)
  const bytes = await toBytes(chain)
  const { name } = (await collect(storeOf(chain).list('key.full')))[0]!
  const right = await bytesOf(storeOf(chain).get(name))
  const flipped = Buffer.from(right)
  flipped[flipped.length - 1]! ^= 1
  for (const wrong of [flipped, right.subarray(1), Buffer.concat([right, right]), Buffer.alloc(0)]) {
    const there = memoryStore()
    await there.put(name, [wrong])
    await assert.rejects(receive([bytes], there), code('IBT_NAME_TAKEN'))
    assert.ok(wrong.equals(await bytesOf(there.get(name))))
  }
})

test('a damaged artifact is noticed by the sender, and on its way by the receiver, which takes it anew', async t => {
  const chain = await makeChain(t)
  const bytes = await toBytes(chain)
  const there = memoryStore()
  const damaged = Buffer.from(bytes)
  damaged[bytes.indexOf('small') - 1000]! ^= 1
  await assert.rejects(receive([damaged], there), error => isBackupError(error))
  assert.ok(![...(await contentsOf(there)).keys()].some(name => name.includes('.state.') && !name.includes('.v')))
  await receive([await toBytes(chain, { arrived: await listArrived('key', { store: there }) })], there)
  await assertVerifies(there)

  const rotten = memoryStore()
  for (const [name, hex] of await contentsOf(storeOf(chain))) {
    const stored = Buffer.from(hex, 'hex')
    if (name.includes('.full.')) stored[5000]! ^= 1
    await rotten.put(name, [stored])
  }
  await assert.rejects(toBytes(chain, { store: rotten }), code('IBT_HASH_MISMATCH'))
  await rotten.delete([...(await contentsOf(rotten)).keys()].find(name => name.includes('.full.'))!)
  await assert.rejects(toBytes(chain, { store: rotten }), code('IBT_BASIS_MISSING'))
})

test('a bundle that was cut off before its first byte, or is of another key, is refused', async t => {
  const chain = await makeChain(t)
  const there = memoryStore()
  assert.deepEqual((await receive([Buffer.alloc(1024)], there)).dates, [])
  await assert.rejects(receive([], there), code('IBT_ARCHIVE_TRUNCATED'))
  await assert.rejects(receive([await toBytes(chain)], there, { key: 'other' }), code('IBT_NAME_INVALID'))
  assert.deepEqual(await collect(there.list()), [])
  await there.put('KEY.full.20200101T000000.000Z.tar', [])
  await assert.rejects(receive([await toBytes(chain)], there), code('IBT_NAME_INVALID'))
  await assert.rejects(toBytes(chain, { all: true, at: 'latest' }), TypeError)
  await assert.rejects(toBytes(chain, { arrived: { key: 'other', artifacts: [] } }), RangeError)
  await assert.rejects(
    exportBackups('nobody', async () => {}, { store: there, cache: false }),
    code('IBT_NO_BACKUP')
  )
})

test('archives without a state wait for it', oracle('tar'), async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  writeFileSync(join(chain.source, 'file'), 'content')
  await chain.full()
  const there = memoryStore()
  const [archives, states] = [chain.stored('full'), chain.stored('state')]
  const tarOf = (names: string[]) => run('tar', ['-C', chain.storePath, '-cf', '-', ...names])
  await assert.rejects(receive([tarOf(archives)], there), code('IBT_ARCHIVE_TRUNCATED'))
  assert.deepEqual(
    (await listArrived('key', { store: there })).artifacts.map(({ name }) => name),
    archives
  )
  await receive([tarOf(states)], there)
  await assertTidy(there)
  await assertVerifies(there)
})

test('a store that fails at any call leaves no half backup, and the next import is done', async t => {
  const chain = await makeChain(t)
  const bytes = await toBytes(chain, { all: true })
  const whole = await contentsOf(storeOf(chain))
  let isDone = false
  for (let failing = 0; !isDone; failing++) {
    assert.ok(failing < 500)
    const there = memoryStore()
    let calls = 0
    const fail = () => {
      if (++calls === failing + 1) throw new Error(`call ${calls}`)
    }
    const flaky = wrapStore(there, {
      async put(name, source, options) {
        await there.put(name, source, options)
        // It has stored, and does not say so.
        fail()
      },
      async delete(name, options) {
        fail()
        await there.delete(name, options)
      }
    })
    isDone = await receive([bytes], flaky).then(
      () => true,
      error => {
        assert.match(String(error), /call \d+|IBT/, `${error?.stack}`)
        return false
      }
    )
    for (const name of (await contentsOf(there)).keys()) {
      if (parseArtifactName(name)?.kind === 'state') await assertVerifies(there, parseArtifactName(name)!.date)
    }
    await there.delete('key.lock')
    await receive([bytes], there)
    const found = await contentsOf(there)
    for (const name of found.keys()) assert.ok(whole.has(name), `${name} after a failure of call ${failing + 1}`)
    assert.deepEqual(found, whole)
  }
})

/** A tar of a store's files, without the comments of a bundle. */
async function tarOf(store: Store, compare: (a: string, b: string) => number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for (const name of [...(await contentsOf(store)).keys()].sort(compare)) {
    const bytes = await bytesOf(store.get(name))
    const facts = { type: 'file', mode: 0o600, uid: 0, gid: 0, mtimeNs: 0n } as const
    parts.push(
      encodeEntry({ path: name, ...facts, sizeBytes: bytes.length }),
      bytes,
      Buffer.alloc(padding(bytes.length))
    )
  }
  return Buffer.concat([...parts, END_OF_ARCHIVE])
}

test('merged backups go through a bundle, without what they stand for', oracle('rsync'), async t => {
  for (const fold of [false, true]) {
    const chain = await makeChain(t)
    appendFileSync(join(chain.source, 'large'), 'last')
    await chain.incremental()
    const store = storeOf(chain)
    const [first, , third] = chain.reports.map(({ date }) => date)
    const range = fold ? { from: first!, to: third! } : { at: third! }
    await mergeBackups('key', { store, cache: false, ...range })
    // What is not needed any more goes, as a prune would have it.
    const merged = await Chain.open(store, 'key')
    const dates = fold ? chain.reports.map(({ date }) => date) : chain.reports.slice(2).map(({ date }) => date)
    const needed = new Set((await Promise.all(dates.map(date => merged.needs(date)))).flat().map(({ name }) => name))
    for (const { name } of merged.artifacts) if (!needed.has(name)) await store.delete(name)
    const bundles = {
      all: await toBytes(chain, { all: true }),
      newest: await toBytes(chain),
      // By hand, with every state in front of all that it needs.
      states: await tarOf(store, (a, b) => Number(b.includes('.state.')) - Number(a.includes('.state.')))
    }
    for (const [title, bytes] of Object.entries(bundles)) {
      const there = memoryStore()
      await receive([bytes], there)
      await assertTidy(there)
      const found = await Chain.open(there, 'key')
      for (const { date } of found.backups) {
        await assertVerifies(there, date)
        const destination = join(chain.base, `out ${date} ${fold} ${title}`)
        await restoreBackup('key', destination, { store: there, cache: false, at: date })
        assertSameTree(destination, chain.copy(date))
      }
      if (title !== 'newest') assert.deepEqual(await contentsOf(there), await contentsOf(store))
    }
  }
})

test(`whatever is changed in a bundle, no backup comes of it that does not verify, with seed ${SEED}`, async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { store: memoryStore(), cache: false, codec: none() })
  writeFileSync(join(chain.source, 'file'), createRandom(1).bytes(20_000))
  await chain.full()
  appendFileSync(join(chain.source, 'file'), 'more')
  await chain.incremental()
  const bytes = await toBytes(chain, { all: true, volumeBytes: 5000 })
  const random = createRandom(SEED)
  const rounds = process.env.SLOW === '1' ? 10_000 : 300
  let backups = 0
  for (let round = 0; round < rounds; round++) {
    const there = memoryStore()
    await receive([mutate(bytes, random)], there).catch(error => {
      assert.ok(isBackupError(error), `${error?.stack ?? error} in round ${round}`)
    })
    for (const name of (await contentsOf(there)).keys()) {
      const parsed = parseArtifactName(name)
      if (parsed?.kind !== 'state') continue
      backups++
      await assertVerifies(there, parsed.date)
    }
    assert.deepEqual(await collect(there.list('key.lock')), [])
  }
  assert.ok(backups > 0)
})

test('an abort at any moment settles, and what arrived can be resumed from', async t => {
  const chain = await makeChain(t)
  const bytes = await toBytes(chain)
  const there = memoryStore()
  const reason = new Error('enough')
  for (let after = 1; after < 8; after++) {
    const controller = new AbortController()
    async function* slowly() {
      for (let at = 0, chunks = 0; ; at += 40_000, chunks++) {
        yield bytes.subarray(at, at + 40_000)
        if (chunks < after) continue
        setImmediate(() => controller.abort(reason))
        await new Promise(() => {})
      }
    }
    const importing = importBackups(slowly(), { store: there, cache: false, signal: controller.signal })
    await assert.rejects(importing, error => error === reason)
    assert.deepEqual(await collect(there.list('key.lock')), [])
  }
  assert.ok((await listArrived('key', { store: there })).artifacts.length > 0)
  await receive([await toBytes(chain, { arrived: await listArrived('key', { store: there }) })], there)
  await assertTidy(there)
  await assertVerifies(there)
})
