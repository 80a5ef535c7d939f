import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { age } from '../src/age/index.js'
import { decodeArrived, encodeArrived } from '../src/bundle/arrived.js'
import { openArchive } from '../src/codec/archive-reader.js'
import { decodeFrames } from '../src/codec/decode-frames.js'
import { readBody } from '../src/codec/tar-body.js'
import type { Line } from '../src/exchange/line.js'
import { encodeListed } from '../src/exchange/listing.js'
import { decodeMessages, encodeGreeting, encodeMessage, encodeValue, Kind } from '../src/exchange/messages.js'
import { encodePacked } from '../src/exchange/packed.js'
import { TreeReceiver } from '../src/exchange/tree-receiver.js'
import { TreeSender } from '../src/exchange/tree-sender.js'
import { formatDate, isDate, parseDate } from '../src/format/dates.js'
import { checkEntry } from '../src/format/entry-check.js'
import { checkKey, keyFromPath, parseArtifactName } from '../src/format/names.js'
import { decodeRecords, encodeRecord } from '../src/format/pax.js'
import { decodeSparseMap, encodeSparseMap } from '../src/format/sparse-map.js'
import { openState } from '../src/format/state-reader.js'
import { gzip, isBackupError, isChunk, none, verifyBackup, zstd } from '../src/index.js'
import { fromTar } from '../src/interop/index.js'
import { createPatcher, createScanner, loadSignature, patchBytes } from '../src/native.js'
import { decodePath } from '../src/path.js'
import { decompress } from '../src/pipelines/backup/decompress.js'
import { unbundle } from '../src/stages/index.js'
import { acquireLock, memoryStore } from '../src/stores/index.js'
import { decodeHolder, encodeHolder, thisProcess } from '../src/stores/lock-holder.js'
import type { Codec, Source } from '../src/types.js'
import { build, rangesOf } from './codec/archives.js'
import { bundleItems, toBundle } from './helpers/bundle-samples.js'
import { NaiveChain } from './helpers/chain.js'
import { archiveOf, bytesOf, collect } from './helpers/entries.js'
import { makeKeyPair } from './helpers/keys.js'
import { mutate } from './helpers/mutate.js'
import { ODD_TARS } from './helpers/odd-tars.js'
import { createRandom } from './helpers/random.js'
import { encodeState } from './helpers/state-samples.js'
import { encodeArchive, ODD_SAMPLES } from './helpers/tar-samples.js'
import { oldSparseTar } from './helpers/tars.js'
import { temporaryDirectory } from './native/tree.js'

const SEED = Number(process.env.SEED ?? 1)
const IS_SLOW = process.env.SLOW === '1'
/** For the mutations of one parser. */
const LIMIT_MS = IS_SLOW ? 5 * 60_000 : 1500
const RUNS = IS_SLOW ? Infinity : 2000
/** What one damaged input of at most some hundred KiB may make a parser give out, and one may take, in time of processors. */
const OUTPUT_MAX = 128 * 1024 * 1024
const ONE_MS_MAX = 10_000
const MEMORY_MAX = 700 * 1024 * 1024

/** Reads an input; resolves to how many bytes came out of it. */
type Parser = (input: Buffer) => Promise<number> | number

async function fuzz(samples: readonly Uint8Array[], parse: Parser): Promise<void> {
  for (const sample of samples) await parse(Buffer.from(sample))
  const started = Date.now()
  const before = process.memoryUsage().rss
  const random = createRandom(SEED)
  for (let run = 0; run < RUNS && Date.now() - started < LIMIT_MS; run++) {
    const input = mutate(random.pick(samples), random)
    const title = `run ${run}, seed ${SEED}: ${input.length} bytes ${input.subarray(0, 3000).toString('base64')}`
    const began = process.cpuUsage()
    try {
      const outputBytes = await parse(input)
      assert.ok(outputBytes <= OUTPUT_MAX, `${outputBytes} bytes came out at ${title}`)
    } catch (error) {
      assert.ok(isBackupError(error), `${(error as Error)?.stack ?? error} at ${title}`)
    }
    const { user, system } = process.cpuUsage(began)
    assert.ok(user + system < 1000 * ONE_MS_MAX, `It took ${user + system} µs of processors at ${title}`)
  }
  const grown = process.memoryUsage().rss - before
  assert.ok(grown < MEMORY_MAX, `It took ${grown} bytes more memory, seed ${SEED}`)
}

function fuzzTest(what: string, makeSamples: () => Promise<Uint8Array[]> | Uint8Array[], parse: Parser): void {
  test(`mutated ${what} cause nothing but named errors, with seed ${SEED}`, async () =>
    fuzz(await makeSamples(), parse))
}

/** Drains what is bounded by nothing but its own rules. */
async function drain(source: Source<Uint8Array>): Promise<number> {
  let bytes = 0
  for await (const chunk of source) {
    bytes += chunk.length
    if (bytes > OUTPUT_MAX) break
  }
  return bytes
}

fuzzTest(
  'states',
  () => [Buffer.from(encodeState())],
  async input => {
    const state = await openState([input])
    for await (const { path } of state.entries()) assert.ok(typeof path === 'string')
    state.closing()
    return 0
  }
)

/** Messages of a sender of a tree, as bytes. */
async function treeMessages(): Promise<Buffer> {
  const entries = [
    { ...TREE_ROOT, path: '.', type: 'directory' as const },
    { ...TREE_ROOT, path: 'a', type: 'file' as const, sizeBytes: 4, xattrs: new Map([['user.a', Buffer.from('b')]]) },
    { ...TREE_ROOT, path: 'b\udcff', type: 'symlink' as const, linkname: 'a' }
  ]
  const listing = await encodePacked(none(), Buffer.concat(entries.map(encodeListed)))
  const messages = [
    encodeMessage(Kind.listing, listing),
    encodeMessage(Kind.listed, encodeValue({ entries: entries.length })),
    encodeMessage(Kind.answer, encodeValue({ entry: 1, form: 'whole', sizeBytes: 4 })),
    encodeMessage(Kind.bytes, await encodePacked(none(), Buffer.from('text'))),
    encodeMessage(Kind.answered, encodeValue({ entry: 1, sha256: '0'.repeat(64), sizeBytes: 4 }))
  ]
  return Buffer.concat([encodeGreeting(), ...messages.flat()])
}
const TREE_ROOT = { mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n }

fuzzTest(
  'messages of the sender of a tree',
  async () => [await treeMessages()],
  async input => {
    const line = { signal: new AbortController().signal, send: async () => {} } as unknown as Line
    const receiver = new TreeReceiver(() => line, none())
    const asked = receiver.want(1, { path: 'a', maxBytes: 1000 })
    for await (const message of decodeMessages([input])) await receiver.take(message)
    receiver.fail(new Error('over'))
    return drain(asked.chunks).catch(() => 0)
  }
)

fuzzTest(
  'messages of the receiver of a tree',
  () => {
    const want = { entry: 1, isSigned: true, maxBytes: 1000 }
    const messages = [
      encodeMessage(Kind.want, encodeValue(want)),
      encodeMessage(Kind.part, Buffer.alloc(30)),
      encodeMessage(Kind.last, Buffer.alloc(10)),
      encodeMessage(Kind.passed, encodeValue({ bytes: 0 })),
      encodeMessage(Kind.done, encodeValue({ skippedEntries: 0, incompleteEntries: 0 }))
    ]
    return [Buffer.concat([encodeGreeting(), ...messages.flat()])]
  },
  async input => {
    const line = { signal: new AbortController().signal, send: async () => {} } as unknown as Line
    const sender = new TreeSender(() => line, { codec: none() })
    const content = { open: () => [Buffer.from('text')], isRepeatable: true }
    await sender.list([
      { ...TREE_ROOT, path: '.', type: 'directory' },
      { ...TREE_ROOT, path: 'a', type: 'file', sizeBytes: 4, content }
    ])
    for await (const message of decodeMessages([input])) await sender.take(message)
    return 0
  }
)

const CODECS: Readonly<Record<string, Codec>> = { zstd: zstd(), gzip: gzip(), none: none() }
const frames = [1, 700, 20_000, 0].map((length, i) => Buffer.alloc(length, `frame ${i} `))
for (const [name, codec] of Object.entries(CODECS)) {
  const makeSamples = async () => [
    (await build(codec, frames)).stored,
    (await build(codec, [createRandom(1).bytes(3000)])).stored,
    (await build(codec, [Buffer.alloc(1 << 20)])).stored
  ]
  fuzzTest(`archives of ${name}, read by ranges,`, makeSamples, async input => {
    const archive = await openArchive(rangesOf(input), input.length, codec, 'archive')
    await archive.read(Math.min(archive.sizeBytes, 100), Math.min(50, Math.max(0, archive.sizeBytes - 100)))
    return drain(archive.bytes(0, archive.sizeBytes))
  })
  fuzzTest(`archives of ${name}, read from a pipe,`, makeSamples, async input => {
    const half = input.length >> 1
    return drain(decodeFrames([input.subarray(0, half), input.subarray(half)], codec, 'archive'))
  })
}

const keyPair = await makeKeyPair()
const cipher = age({ recipients: [keyPair.recipient, keyPair.recipient], identities: [keyPair.identity] })
fuzzTest(
  'age files, read from a pipe and by ranges,',
  () => Promise.all([0, 100, 65_536, 150_000].map(length => bytesOf(cipher.seal([Buffer.alloc(length, 'x')], {})))),
  async input => {
    const { sizeBytes, read } = await cipher.openRange!(rangesOf(input), input.length, 'age file')
    await read(0, sizeBytes)
    return drain(cipher.open([input.subarray(0, 150), input.subarray(150)], 'age file'))
  }
)

const TAR = encodeArchive(ODD_SAMPLES)
const OLD_SPARSE_TAR = await oldSparseTar([0, 4096, 8192, 12_288, 16_384, 20_480], 40_000)

fuzzTest(
  'entries of a tar',
  () => [TAR.subarray(0, 20_000), TAR.subarray(20_480)],
  async input => {
    let bytes = 0
    for (let offset = 0; offset < input.length; offset += 512) {
      const body = await readBody(archiveOf('tar', input), offset, 1 << 20).catch(error => {
        assert.ok(isBackupError(error), String(error))
        return Buffer.alloc(0)
      })
      bytes += body.length
    }
    return bytes
  }
)

fuzzTest(
  'foreign tars',
  () => [TAR, encodeArchive(ODD_SAMPLES.slice(0, 4)), OLD_SPARSE_TAR],
  async input => {
    let bytes = 0
    // A hole costs a few bytes of a tar: who reads a sparse file has to know how much he takes.
    for await (const { content, sizeBytes = 0 } of fromTar([input])) {
      if (content !== undefined && bytes + sizeBytes <= OUTPUT_MAX) bytes += await drain(content.open())
    }
    return bytes
  }
)

fuzzTest(
  'bundles',
  async () => [await toBundle(bundleItems()), await toBundle(bundleItems(100))],
  async input => {
    let bytes = 0
    const half = input.length >> 1
    for await (const item of unbundle({ key: 'key' })([input.subarray(0, half), input.subarray(half)])) {
      assert.equal(parseArtifactName(item.name)?.kind, item.kind)
      if (isChunk(item)) bytes += item.bytes.length
    }
    return bytes
  }
)

const ARRIVED = {
  key: 'key',
  artifacts: [
    { name: 'key.full.20261123T120000.000Z.tar.zst', sizeBytes: 2000, volumes: 2 },
    { name: 'key.state.20261123T120000.000Z.json', sizeBytes: 15 }
  ]
}

fuzzTest(
  'lists of what has arrived',
  () => [Buffer.from(encodeArrived(ARRIVED))],
  input => {
    const { key, artifacts } = decodeArrived(input.toString())
    for (const { name, sizeBytes } of artifacts) {
      assert.ok(parseArtifactName(name)?.key === key && Number.isSafeInteger(sizeBytes))
    }
    return 0
  }
)

fuzzTest(
  'compressed tars',
  async () => [gzipSync(TAR), (await build(zstd(), [TAR])).stored, (await build(gzip(), [TAR])).stored],
  async input => drain(decompress([input]))
)

const ODD_TAR_BYTES = Object.values(ODD_TARS)
  .filter(({ refused }) => refused === undefined)
  .map(({ tar }) => tar)

fuzzTest(
  'odd tars, whatever they say,',
  () => ODD_TAR_BYTES,
  async input => {
    let bytes = 0
    let leftOut = 0
    const options = { sort: 'spool', onError: () => leftOut++ } as const
    for await (const { content, ...entry } of fromTar([input], options)) {
      // What a tar says is what a state can hold.
      checkEntry({ ...entry, places: [] })
      if (content !== undefined && bytes === 0) bytes += await drain(content.open())
    }
    return bytes
  }
)

fuzzTest(
  'PAX records',
  () => [
    Buffer.from(encodeRecord('path', 'x'.repeat(90)) + encodeRecord('mtime', '-1.5') + encodeRecord('comment', '{}'))
  ],
  input => decodeRecords(input).size
)

fuzzTest(
  'sparse maps',
  () => [
    encodeSparseMap(
      [
        { offset: 0, sizeBytes: 512 },
        { offset: 4096, sizeBytes: 100 }
      ],
      10_000
    )
  ],
  input => {
    decodeSparseMap(input, 10_000)
    return 0
  }
)

fuzzTest(
  'names and dates',
  () =>
    ['key.full.20261123T000000.000Z.tar.zst', 'a.b%2Fc.state.20240229T235959.999Z.json.gz.age'].map(name =>
      Buffer.from(name)
    ),
  input => {
    const text = decodePath(input)
    const parsed = parseArtifactName(text)
    if (parsed !== undefined) assert.ok(isDate(parsed.date) && parsed.key !== '')
    checkKey(keyFromPath(`/${text.replaceAll('/', '') || 'x'}`))
    for (const part of text.split('.full.')) if (isDate(part)) assert.equal(formatDate(parseDate(part)), part)
    checkKey(text)
    return 0
  }
)

fuzzTest(
  'locks',
  async () => [encodeHolder(await thisProcess()), encodeHolder({ ...(await thisProcess()), host: 'elsewhere' })],
  async input => {
    decodeHolder(input)
    const store = memoryStore()
    await store.put('key.lock', [input])
    const lock = await acquireLock(store, 'key').catch(codeOf)
    if (typeof lock !== 'string') await lock.release()
    return 0
  }
)

const BASIS = createRandom(1).bytes(40_000)
const EDITED = Buffer.concat([BASIS.subarray(20_000), createRandom(2).bytes(500), BASIS.subarray(0, 15_000)])

async function signaturesOfBasis(): Promise<Buffer[]> {
  const formats = [
    {},
    { strong: 'md4', weak: 'rollsum', strongLen: 8 },
    { strong: 'md4' },
    { weak: 'rollsum' }
  ] as const
  return Promise.all(
    formats.map(async format => {
      const scanner = createScanner({ sign: true, blockLen: 512, ...format })
      await scanner.update(BASIS)
      return (await scanner.finish()).signature
    })
  )
}

async function deltaOf(signature: Buffer, content: Buffer): Promise<Buffer> {
  const scanner = createScanner({ basis: await loadSignature(signature) })
  const head = await scanner.update(content)
  return Buffer.concat([head, (await scanner.finish()).delta])
}

fuzzTest('signatures', signaturesOfBasis, async input => (await deltaOf(input, EDITED)).length)

fuzzTest(
  'deltas',
  async () => Promise.all((await signaturesOfBasis()).map(signature => deltaOf(signature, EDITED))),
  async input => {
    // Whole and in pieces the outcome is the same.
    const whole = await patchBytes(BASIS, input, 1 << 20).catch(codeOf)
    const pieces = await patchInPieces(input, 1 << 20).catch(codeOf)
    if (typeof whole === 'string' || typeof pieces === 'string') assert.equal(typeof whole, typeof pieces)
    else assert.ok(whole.equals(pieces))
    return whole.length
  }
)

function codeOf(error: unknown): string {
  if (isBackupError(error)) return error.code
  throw error
}

async function patchInPieces(delta: Buffer, maxBytes: number): Promise<Buffer> {
  const patcher = createPatcher(BASIS)
  const parts: Buffer[] = []
  let bytes = 0
  for (let at = 0; at < delta.length; at += 1000) {
    patcher.push(delta.subarray(at, at + 1000))
    for (;;) {
      const part = await patcher.pull(4096)
      if (part === null) return Buffer.concat(parts)
      if (part.length === 0) break
      parts.push(part)
      // As `patchBytes` says of what is longer than it may be.
      if ((bytes += part.length) > maxBytes) return patchBytes(BASIS, delta, maxBytes)
    }
  }
  patcher.end()
  return Buffer.concat(parts)
}

async function makeChain(t: TestContext): Promise<Map<string, Buffer>> {
  const store = memoryStore()
  const chain = new NaiveChain(temporaryDirectory(t), { store, cache: false, codec: none() })
  mkdirSync(join(chain.source, 'd'))
  for (const [name, content] of Object.entries({ a: BASIS, 'd/b': EDITED, z: Buffer.from('small') })) {
    writeFileSync(join(chain.source, name), content)
  }
  await chain.full()
  writeFileSync(join(chain.source, 'a'), EDITED)
  writeFileSync(join(chain.source, 'new'), 'new')
  await chain.incremental()
  const artifacts = new Map<string, Buffer>()
  for (const { name } of await collect(store.list())) artifacts.set(name, await bytesOf(store.get(name)))
  return artifacts
}

// Without compression nothing stands between the damage and the parsers but their own checks.
test(`a verification of a chain with a mutated artifact tells it by name, with seed ${SEED}`, async t => {
  const artifacts = await makeChain(t)
  const random = createRandom(SEED)
  const started = Date.now()
  for (let run = 0; run < RUNS && Date.now() - started < 2 * LIMIT_MS; run++) {
    const store = memoryStore()
    const victim = random.pick([...artifacts.keys()])
    for (const [name, bytes] of artifacts) await store.put(name, [name === victim ? mutate(bytes, random) : bytes])
    const title = `run ${run}, seed ${SEED}: ${victim}`
    try {
      const { problems } = await verifyBackup('key', { store, cache: false, readData: true })
      for (const problem of problems) assert.ok(isBackupError(problem), `${problem.stack} at ${title}`)
    } catch (error) {
      assert.ok(isBackupError(error), `${(error as Error)?.stack ?? error} at ${title}`)
    }
  }
})
