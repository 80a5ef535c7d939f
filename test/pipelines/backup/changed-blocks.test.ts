import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { PART_BYTES } from '../../../src/constants.js'
import {
  type BackupError,
  type BackupOptions,
  Chain,
  type Change,
  type ChangedBlocks,
  type Content,
  catEntry,
  compareBackups,
  compareToSource,
  compose,
  drillBackup,
  type Entry,
  findEntries,
  fullBackup,
  type IncrementalStages,
  incrementalBackup,
  listBackups,
  listEntries,
  mergeBackups,
  none,
  pruneBackups,
  receiveBackup,
  type SendOptions,
  type Source,
  type StateEntry,
  sendBackup,
  verifyBackup
} from '../../../src/index.js'
import { memoryStore } from '../../../src/stores/index.js'
import { assertRestoresByHand, BY_HAND_TOOLS } from '../../helpers/by-hand.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code, collect } from '../../helpers/entries.js'
import { farLine } from '../../helpers/far-line.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { TrackedFile } from '../../helpers/tracked-file.js'
import { temporaryDirectory } from '../../native/tree.js'

const RSYNC = oracle('rsync')
const SIZE = PART_BYTES + 1_000_001
/** What `sign` takes for such a size. */
const BLOCK_LEN = Math.floor(Math.sqrt(SIZE) / 128) * 128
const random = createRandom(14)
const root: Entry = { path: '.', type: 'directory', mode: 0o700, uid: 0, gid: 0, mtimeNs: 1n }

async function makeChain(t: TestContext, options = {}): Promise<{ chain: NaiveChain; disk: TrackedFile }> {
  const chain = new NaiveChain(temporaryDirectory(t), { codec: none(), ...options })
  const disk = new TrackedFile(chain, 'disk', random.bytes(SIZE))
  await disk.backup('full')
  return { chain, disk }
}

async function stateOf({ options, reports }: NaiveChain, path = 'disk'): Promise<StateEntry> {
  const { store, cache } = options
  const entries = await collect(listEntries('key', { store, cache, at: reports.at(-1)!.date }))
  return entries.find(entry => entry.path === path) as StateEntry
}

async function assertProven({ options }: NaiveChain): Promise<void> {
  const { problems } = await verifyBackup('key', { store: options.store, cache: false, readData: true })
  assert.deepEqual(problems, [])
}

test(
  'only changed blocks are read, and plain rdiff applies the delta and finds the signature right',
  oracle('rdiff', 'tar'),
  async t => {
    const { chain } = await makeChain(t)
    const base = chain.base
    const now = Buffer.from(readFileSync(join(chain.source, 'disk')))
    const edits = [
      { offset: 5, sizeBytes: 10 },
      { offset: 40 * BLOCK_LEN, sizeBytes: BLOCK_LEN },
      { offset: 100 * BLOCK_LEN - 1, sizeBytes: 2 }
    ]
    for (const { offset, sizeBytes } of edits) random.bytes(sizeBytes).copy(now, offset)
    const reads: string[] = []
    const image: Entry = {
      ...{ path: 'disk', type: 'file', mode: 0o600, uid: 0, gid: 0, mtimeNs: 1n, sizeBytes: now.length },
      content: {
        open: () => assert.fail('the whole content is not opened'),
        async readRange(start: number, end: number) {
          reads.push(`${start / BLOCK_LEN}-${end / BLOCK_LEN}`)
          return now.subarray(start, end)
        }
      }
    }
    const report = await incrementalBackup(chain.source, {
      ...chain.options,
      changedBlocks: () => ({ since: chain.reports[0]!.date, extents: edits }),
      stages: { walk: [root, image] }
    })
    assert.deepEqual(reads, ['0-1', '40-41', '99-101'])
    assert.deepEqual(report.maps, { files: 1, readBytes: 4 * BLOCK_LEN, unusedFiles: 0, unused: [] })
    assert.equal(report.totals.updated, 1)

    const unpacked = (kind: string, date: string) => {
      const archive = readdirSync(chain.storePath).find(name => name.includes(`.${kind}.${date}`))!
      return execFileSync('tar', ['-xOf', join(chain.storePath, archive), 'disk'], { maxBuffer: 2 * SIZE })
    }
    const at = (name: string, bytes: Buffer) => {
      writeFileSync(join(base, name), bytes)
      return join(base, name)
    }
    const delta = at('delta', unpacked('updated', report.date))
    assert.ok(statSync(delta).size < 4 * BLOCK_LEN + 200)
    execFileSync('rdiff', ['patch', `${chain.copy(chain.reports[0]!.date)}/disk`, delta, join(base, 'made')])
    assert.ok(readFileSync(join(base, 'made')).equals(now))
    const format = ['-b', String(BLOCK_LEN), '-S', '16', '-H', 'blake2', '-R', 'rabinkarp']
    execFileSync('rdiff', ['signature', ...format, join(base, 'made'), join(base, 'signature')])
    assert.ok(readFileSync(join(base, 'signature')).equals(unpacked('sigvault', report.date)))
  }
)

test(
  'a file on disk is read where the map says so; what changes behind its back stays unseen until a whole read',
  RSYNC,
  async t => {
    const { chain, disk } = await makeChain(t)
    disk.write(1_000_000, random.bytes(5000))
    const tracked = readFileSync(disk.path)
    disk.writeUntracked(7_000_000, Buffer.alloc(5000))
    const mapped = await disk.backup()
    assert.equal(mapped.maps?.files, 1)
    assert.ok(mapped.maps.readBytes <= 5000 + 2 * BLOCK_LEN)
    const known = await stateOf(chain)
    assert.deepEqual([known.sha256, known.signatureDigest?.blockLen, known.places?.length], [undefined, BLOCK_LEN, 2])
    await assertProven(chain)
    await chain.restore('restored', { at: mapped.date })
    assert.ok(readFileSync(join(chain.base, 'restored/disk')).equals(tracked))

    const checksum = { changedBlocks: disk.changedBlocks, detection: { checksum: true } }
    const whole = await chain.incremental(checksum)
    assert.deepEqual([whole.totals.updated, whole.maps?.files], [1, 0])
    assert.match((await stateOf(chain)).sha256!, /^[0-9a-f]{64}$/)
    await chain.assertRestores(whole.date)
    await assertProven(chain)
  }
)

test(
  'a whole read of what was known by its signature alone records its SHA-256, and stores nothing',
  RSYNC,
  async t => {
    const { chain, disk } = await makeChain(t)
    disk.write(1_000_000, random.bytes(5000))
    await disk.backup()
    const known = await stateOf(chain)
    const checksum = { changedBlocks: disk.changedBlocks, detection: { checksum: true } }
    const { totals, date } = await chain.incremental(checksum)
    const proven = await stateOf(chain)
    assert.deepEqual([totals.updated, proven.places], [0, known.places])
    assert.equal(proven.sha256, createHash('sha256').update(readFileSync(disk.path)).digest('hex'))
    await chain.assertRestores(date)
  }
)

test('a map that names blocks that have not changed stores nothing', RSYNC, async t => {
  const { chain, disk } = await makeChain(t)
  const before = await stateOf(chain)
  disk.write(10, readFileSync(disk.path).subarray(10, 3_000_000))
  const report = await disk.backup()
  assert.deepEqual([report.totals.updated, report.maps?.files, report.totals.touched], [0, 1, 1])
  const after = await stateOf(chain)
  assert.deepEqual([after.sha256, after.places], [before.sha256, before.places])
})

test('a map that does not fit is not used: the file is read whole, and the report says why', RSYNC, async t => {
  const { chain, disk } = await makeChain(t)
  const cases: [string, () => ChangedBlocks | Promise<ChangedBlocks>][] = [
    ['other-basis', () => ({ since: '20200101T000000.000Z', extents: [] })],
    ['most-changed', () => ({ since: disk.since, extents: [{ offset: 0, sizeBytes: SIZE }] })],
    ['map-failed', () => ({ since: disk.since, extents: [{ offset: -1, sizeBytes: 1 }] })],
    ['map-failed', () => ({ since: disk.since, extents: [{ offset: 0, sizeBytes: Number.NaN }] })],
    ['map-failed', () => Promise.reject(new Error('The bitmap is inconsistent'))]
  ]
  for (const [reason, map] of cases) {
    disk.writeUntracked(random.int(SIZE - 100), random.bytes(100))
    disk.map = map as () => ChangedBlocks
    const report = await disk.backup()
    assert.deepEqual(
      [report.maps?.files, report.maps?.unused.map(({ path, reason }) => [path, reason])],
      [0, [['disk', reason]]]
    )
    assert.ok((await stateOf(chain)).sha256)
    await chain.assertRestores(report.date)
  }
  assert.match(chain.reports.at(-1)!.maps!.unused[0]!.message!, /inconsistent/)
  assert.match(chain.reports.at(-2)!.maps!.unused[0]!.message!, /whole numbers/)
})

test('the SHA-256 that a content had names the beginning of a map as well as a date', RSYNC, async t => {
  const { chain, disk } = await makeChain(t)
  disk.write(0, random.bytes(10))
  disk.since = (await stateOf(chain)).sha256!
  assert.equal((await disk.backup()).maps?.files, 1)
  await chain.assertRestores(chain.reports.at(-1)!.date)
})

test(
  'no map is used on a backup without digests of signatures, on a dirty content, or on one changed on its way',
  RSYNC,
  async t => {
    const { chain, disk } = await makeChain(t)
    const reasonOf = async (change: () => void, stages = {}) => {
      change()
      const { date, maps } = await chain.incremental({ changedBlocks: disk.changedBlocks, ...stages })
      disk.since = date
      return maps?.unused.map(({ reason }) => reason)
    }
    const write = () => disk.writeUntracked(random.int(SIZE - 10), random.bytes(10))
    // The run without the option records no digest.
    write()
    disk.since = (await chain.incremental()).date
    assert.deepEqual(await reasonOf(write), ['no-signature'])
    disk.extents = [{ offset: 0, sizeBytes: 1_000_000 }]
    const flagged = async function* (source: Source<Change>) {
      for await (const item of source) {
        const { previous } = item
        yield previous?.type === 'file' ? { ...item, previous: { ...previous, dirty: true } } : item
      }
    }
    const splice = { stages: (defaults: IncrementalStages) => ({ ...defaults, diff: compose(defaults.diff, flagged) }) }
    assert.deepEqual(await reasonOf(write, splice), ['basis-in-doubt'])
    assert.deepEqual(await reasonOf(() => disk.write(3, random.bytes(4))), [])
    await chain.assertRestores(chain.reports.at(-1)!.date)
  }
)

test(
  'a chain of 20 mapped increments restores every date, also when it is merged and pruned, and maps go on behind that',
  RSYNC,
  async t => {
    const { chain, disk } = await makeChain(t)
    const { store, cache } = chain.options
    const edit = async () => {
      let size = statSync(disk.path).size
      if (random.chance(0.4)) disk.resize((size = PART_BYTES + 1 + random.int(2_000_000)))
      for (let edits = random.int(6); edits > 0; edits--) {
        disk.write(random.int(size + 10_000), random.bytes(1 + random.int(60_000)))
      }
      const report = await disk.backup()
      assert.deepEqual([report.maps?.files, report.maps?.unused], [1, []])
      return report.date
    }
    const first = chain.reports[0]!.date
    const dates = [first]
    for (let i = 0; i < 20; i++) dates.push(await edit())
    for (const at of [1, 7, 13, 20]) await chain.assertRestores(dates[at]!)
    await assertProven(chain)

    await mergeBackups('key', { store, cache, from: dates[4]!, to: dates[9]! })
    for (const at of [dates[3]!, dates[9]!, dates[12]!]) await chain.assertRestores(at)
    await mergeBackups('key', { store, cache, at: dates[20]! })
    const merged = await stateOf(chain)
    assert.match(merged.sha256!, /^[0-9a-f]{64}$/)
    assert.equal(merged.places?.length, 1)
    dates.push(await edit(), await edit())
    await pruneBackups('key', { store, cache, keepLast: 3, graceMs: 0 })
    for (const at of dates.slice(-3)) await chain.assertRestores(at)
    await assertProven(chain)
  }
)

test('what is damaged in an archive is found by the digest of the signature: by verify, drill, restore and cat', async t => {
  const { chain, disk } = await makeChain(t)
  const { store } = chain.options
  disk.write(2_000_000, random.bytes(50_000))
  const { date } = await disk.backup()
  const archive = chain.artifact('updated', date)
  const bytes = readFileSync(archive)
  bytes[30_000]! ^= 1
  writeFileSync(archive, bytes)
  const wrong = [['IBT_HASH_MISMATCH', 'disk']]
  const found = await verifyBackup('key', { store, cache: false, readData: true })
  assert.deepEqual(found.problems.map(({ code, path }) => [code, path]).slice(0, 1), wrong)
  assert.match(found.problems[0]!.message, /do not have a signature with the SHA-256/)
  const drilled = await drillBackup('key', { store })
  assert.deepEqual(drilled.problems.map(({ code, path }) => [code, path]).slice(0, 1), wrong)
  await assert.rejects(chain.restore('restored'), code('IBT_HASH_MISMATCH'))
  assert.deepEqual(readdirSync(join(chain.base, 'restored')), [])
  await assert.rejects(collect(catEntry('key', 'disk', { store, cache: false })), code('IBT_HASH_MISMATCH'))
})

test(
  'the states of mapped files are compared, listed and found, and a restore without this package proves them',
  oracle(...BY_HAND_TOOLS),
  async t => {
    const { chain, disk } = await makeChain(t)
    const { store, cache } = chain.options
    disk.write(2_000_000, random.bytes(50_000))
    await disk.backup()
    writeFileSync(join(chain.source, 'other'), 'other')
    const { date } = await disk.backup()
    assertRestoresByHand(chain, date)
    const changes = await collect(compareBackups('key', { store, cache }))
    assert.deepEqual(changes.map(({ path, change }) => [path, change]).slice(-1), [['other', 'created']])
    const versions = await collect(findEntries('key', 'disk', { store, cache }))
    assert.deepEqual(
      versions.map(({ backups }) => backups),
      [1, 2]
    )
    const same = await collect(compareToSource('key', chain.source, { store, cache, detection: { checksum: true } }))
    assert.deepEqual(same, [])
    disk.writeUntracked(100, random.bytes(5))
    const other = await collect(compareToSource('key', chain.source, { store, cache }))
    assert.deepEqual(
      other.map(({ path, change }) => [path, change]),
      [['disk', 'updated']]
    )
  }
)

test('a renamed file is a delta on what its inode had, also if only its signature is known', RSYNC, async t => {
  const { chain, disk } = await makeChain(t)
  disk.write(2_000_000, random.bytes(50_000))
  await disk.backup()
  mkdirSync(join(chain.source, 'moved'))
  renameSync(disk.path, join(chain.source, 'moved/disk'))
  const { date, storedBytes } = await disk.backup()
  assert.ok(storedBytes < 200_000, String(storedBytes))
  await chain.assertRestores(date)
  assert.ok((await stateOf(chain, 'moved/disk')).sha256)
})

test('two extents of a sparse file of 4 GiB are read, and nothing else', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const disk = new TrackedFile(chain, 'disk', Buffer.alloc(0))
  truncateSync(disk.path, 4 * 2 ** 30)
  const options = { ...chain.options, changedBlocks: disk.changedBlocks }
  disk.since = (await fullBackup(chain.source, options)).date
  for (const position of [12_345_678, 3 * 2 ** 30 + 5]) disk.write(position, random.bytes(100))
  const started = performance.now()
  const report = await incrementalBackup(chain.source, options)
  const elapsedMs = performance.now() - started
  assert.deepEqual(report.maps, { files: 1, readBytes: 2 * 65_536, unusedFiles: 0, unused: [] })
  assert.ok(report.storedBytes < 2_000_000, String(report.storedBytes))
  t.diagnostic(`${Math.round(elapsedMs)} ms`)
})

test(
  'a read that fails keeps the former content; one that ends early is dirty, and no map is used on that',
  RSYNC,
  async t => {
    const { chain } = await makeChain(t)
    const former = readFileSync(join(chain.source, 'disk'))
    const { store, cache } = chain.options
    const run = async (readRange: NonNullable<Content['readRange']>, more: BackupOptions<IncrementalStages> = {}) => {
      const image: Entry = {
        ...{
          path: 'disk',
          type: 'file',
          mode: 0o600,
          uid: 0,
          gid: 0,
          mtimeNs: BigInt(Date.now()),
          sizeBytes: former.length
        },
        content: { open: () => [former], readRange }
      }
      const since = (await collect(listBackups('key', { store, cache }))).at(-1)!.date
      return incrementalBackup(chain.source, {
        ...chain.options,
        ...more,
        changedBlocks: () => ({ since, extents: [{ offset: 20, sizeBytes: 3_000_000 }] }),
        stages: { walk: [root, image] }
      })
    }
    const failed = await run(async () => Promise.reject(new Error('The disk is gone')))
    assert.deepEqual([failed.totals.carried, failed.skippedEntries], [1, 1])
    const isSame = async (at: string) => {
      await chain.restore(`restored-${at}`, { at })
      return readFileSync(join(chain.base, `restored-${at}/disk`)).equals(former)
    }
    assert.ok(await isSame(failed.date))
    const unsure = await run(async (start, end) => former.subarray(start, end))
    assert.deepEqual(unsure.maps?.unused, [{ path: 'disk', reason: 'basis-in-doubt', message: undefined }])
    const cut = await run(async (start, end) => former.subarray(start, end - 1))
    assert.deepEqual([cut.maps?.files, cut.totals.dirty], [1, 1])
    const after = await run(async (start, end) => former.subarray(start, end))
    assert.deepEqual(
      after.maps?.unused.map(({ reason }) => reason),
      ['basis-in-doubt']
    )
    assert.ok(await isSame(after.date))
    // Without types, a generator is a natural mistake.
    const errors: BackupError[] = []
    const generator = async function* () {} as unknown as NonNullable<Content['readRange']>
    const wrong = await run(generator, { onError: error => errors.push(error) })
    assert.deepEqual([wrong.totals.carried, wrong.skippedEntries], [1, 1])
    assert.match(String(errors[0]?.cause), /readRange has to resolve to a Uint8Array/)
  }
)

test('an abort ends a run that waits for its source, whether for the map or for a block', async t => {
  const { chain, disk } = await makeChain(t)
  disk.write(0, random.bytes(10))
  for (const waitsFor of ['map', 'block']) {
    const controller = new AbortController()
    const parked = () => {
      setImmediate(() => controller.abort(new Error(`waited for a ${waitsFor}`)))
      return new Promise<never>(() => {})
    }
    const image: Entry = {
      ...{ path: 'disk', type: 'file', mode: 0o600, uid: 0, gid: 0, mtimeNs: 1n, sizeBytes: SIZE },
      content: { open: () => [], readRange: parked }
    }
    const aborted = incrementalBackup(chain.source, {
      ...{ ...chain.options, signal: controller.signal },
      changedBlocks: waitsFor === 'map' ? parked : () => disk.map(),
      stages: { walk: [root, image] }
    })
    await assert.rejects(aborted, { message: `waited for a ${waitsFor}` })
  }
})

test('a sender without a store of its own has its map used, and the receiver says what the state requires', async t => {
  const source = join(temporaryDirectory(t), 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'disk'), random.bytes(SIZE))
  const store = memoryStore()
  const send = async (changedBlocks?: SendOptions['changedBlocks']) => {
    const { near, far } = farLine({})
    const receiving = receiveBackup(far, { store, cache: false })
    const sent = await sendBackup(near, source, { key: 'key', changedBlocks })
    await receiving
    return sent
  }
  const { date: since } = await send(() => undefined)
  const fd = openSync(join(source, 'disk'), 'r+')
  writeSync(fd, random.bytes(100), 0, 100, 500_000)
  closeSync(fd)
  const { maps } = await send(() => ({ since, extents: [{ offset: 500_000, sizeBytes: 100 }] }))
  assert.equal(maps?.files, 1)
  writeFileSync(join(source, 'other'), 'other')
  const { date } = await send()
  const chain = await Chain.open(store, 'key')
  assert.deepEqual((await chain.ends(date)).header.requires, ['signature-digest'])
  const { problems } = await verifyBackup('key', { store, cache: false, readData: true })
  assert.deepEqual(problems, [])
})
