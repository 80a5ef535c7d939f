import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { cutFrame } from '../../src/codec/cut-frame.js'
import { gzip, openArchive, zstd } from '../../src/codec/index.js'
import { FRAME_BYTES } from '../../src/constants.js'
import { ArchiveWriter } from '../../src/format/archive-writer.js'
import { decodeEntryAt } from '../../src/format/tar-decode.js'
import { encode } from '../../src/stages/encode.js'
import { isChunk, isSealed, type Piece } from '../../src/types.js'
import { collect } from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

const random = createRandom(5)
const SOURCES = fileURLToPath(new URL('../../../src', import.meta.url))
/** Stored bytes of one part, with room for what an estimate is wrong. */
const PART_MAX = 140_000

/** A tar of so many files, as frames; each has records before its header. */
function framesOf(count: number, makeBody: (i: number) => Uint8Array): Uint8Array[] {
  const writer = new ArchiveWriter('full')
  for (let i = 0; i < count; i++) {
    const body = makeBody(i)
    const path = `directory/${i}`
    writer.header({ path, type: 'file', mode: 0o644, uid: 0, gid: 0, mtimeNs: 1n, sizeBytes: body.length })
    writer.body(body)
    writer.endBody(body.length)
  }
  writer.end()
  const pieces = writer.takePieces().flatMap(piece => [...(Symbol.iterator in piece ? piece : [piece])] as Piece[])
  return pieces.map(({ frame }) => frame)
}

function pathAt(bytes: Uint8Array): string {
  const found = decodeEntryAt(bytes)
  assert.ok('header' in found)
  return found.header.path
}

for (const sizeBytes of [700, 1100, 4096, 20_480, 60_000]) {
  test(`a frame of random files of ${sizeBytes} bytes is cut where entries begin, and takes hardly more room`, async () => {
    const frames = framesOf(Math.ceil(1_500_000 / (sizeBytes + 2048)), () => random.bytes(sizeBytes))
    const [frame] = frames as [Uint8Array]
    assert.ok(frame.length > FRAME_BYTES / 2)
    const parts = cutFrame(frame)
    assert.deepEqual(Buffer.concat(parts), Buffer.from(frame))
    for (const codec of [zstd(), gzip()]) {
      const stored = await Promise.all(parts.map(part => codec.encode(part)))
      const sizes = stored.map(({ length }) => length)
      assert.ok(Math.max(...sizes) < PART_MAX, `${codec.name}: ${sizes}`)
      const whole = (await codec.encode(frame)).length
      const sum = sizes.reduce((total, size) => total + size + 8, 0)
      assert.ok(sum < whole * 1.003, `${codec.name}: ${sum} bytes, not ${whole}`)
    }
    const paths = new Set(parts.map(pathAt))
    assert.equal(paths.size, parts.length)
  })
}

/** What compresses only because it uses few values. */
const PATTERNLESS: Record<string, () => Uint8Array> = {
  base64: () => Buffer.from(random.bytes(9000).toString('base64')),
  'lines of base64': () => Buffer.from(random.bytes(9000).toString('base64').replace(/.{76}/g, '$&\n')),
  hexadecimal: () => Buffer.from(random.bytes(3000).toString('hex'))
}

for (const [what, makeBody] of Object.entries(PATTERNLESS)) {
  test(`a frame of ${what} is cut, too, and takes hardly more room`, async () => {
    const [frame] = framesOf(300, makeBody) as [Uint8Array]
    const parts = cutFrame(frame)
    assert.deepEqual(Buffer.concat(parts), Buffer.from(frame))
    for (const codec of [zstd(), gzip()]) {
      const sizes = (await Promise.all(parts.map(part => codec.encode(part)))).map(({ length }) => length)
      assert.ok(Math.max(...sizes) < PART_MAX, `${codec.name}: ${sizes}`)
      const whole = (await codec.encode(frame)).length
      const sum = sizes.reduce((total, size) => total + size + 8, 0)
      assert.ok(sum < whole * 1.004, `${codec.name}: ${sum} bytes, not ${whole}`)
    }
  })
}

test('a content that is longer than a part stays in one piece', () => {
  const sizes = [300_000, 1000, 1000, 400_000, 1000]
  const [frame] = framesOf(sizes.length, i => random.bytes(sizes[i]!)) as [Uint8Array]
  const parts = cutFrame(frame)
  assert.deepEqual(parts.map(pathAt), ['directory/0', 'directory/1', 'directory/3', 'directory/4'])
})

test('a frame stays whole that compresses, that repeats itself, or that is a part of one content', () => {
  const text = Buffer.alloc(3000, 'What compresses is best compressed with what is like it. ')
  const sources = readdirSync(SOURCES, { recursive: true, withFileTypes: true })
    .filter(found => found.isFile() && found.name.endsWith('.ts'))
    .map(found => readFileSync(join(found.parentPath, found.name)))
  const media = Array.from({ length: 10 }, () => gzipSync(random.bytes(20_000)))
  const whole = {
    text: framesOf(300, () => text),
    'source files': framesOf(sources.length, i => sources[i]!),
    'more text than media': framesOf(300, i => (i % 10 === 0 ? random.bytes(3000) : text)),
    copies: framesOf(45, i => media[i % media.length]!),
    'a large file': framesOf(1, () => random.bytes(3 * FRAME_BYTES)),
    'no tar': [random.bytes(FRAME_BYTES)],
    little: framesOf(4, () => random.bytes(20_000))
  }
  for (const [what, frames] of Object.entries(whole)) {
    for (const frame of frames) assert.deepEqual(cutFrame(frame), [frame], what)
  }
})

for (const codec of [zstd(), gzip()]) {
  test(`${codec.name}: a frame that was cut is one chunk, and its parts are in the seek table`, async () => {
    const frames = framesOf(150, () => random.bytes(20_000))
    const pieces = frames.map(frame => ({ item: 'piece', kind: 'full', frame }) as const)
    const items = await collect(encode(codec, { key: 'k', date: '20261101T000000.000Z' })(pieces))
    const chunks = items.filter(isChunk)
    // The last one is the seek table.
    assert.equal(chunks.length, frames.length + 1)
    const stored = Buffer.concat(chunks.map(({ bytes }) => bytes))
    const { sizeBytes, sha256 } = items.find(isSealed)!
    assert.deepEqual([sizeBytes, sha256], [stored.length, createHash('sha256').update(stored).digest('hex')])

    const asked: number[] = []
    const read = async (start: number, end: number) => {
      asked.push(end - start)
      return stored.subarray(start, end)
    }
    const archive = await openArchive(read, stored.length, codec, 'name', undefined, 20_000)
    const parts = frames.flatMap(cutFrame)
    assert.ok(parts.length > 6 * frames.length)
    const sizes = Array.from({ length: archive.index.frames }, (_, i) => archive.index.frame(i).sizeBytes)
    assert.deepEqual(
      sizes,
      parts.map(({ length }) => length)
    )
    const tar = Buffer.concat(frames)
    assert.ok(tar.subarray(1_900_000, 1_901_000).equals(await archive.read(1_900_000, 1000)))
    assert.ok(asked.length === 2 && asked[1]! < PART_MAX, `${asked}`)
    assert.ok(tar.subarray(100_000, 900_000).equals(await archive.read(100_000, 800_000)))
    assert.equal(asked.length, 3)
  })
}

for (const { codec, tool } of [
  { codec: zstd(), tool: 'zstd' },
  { codec: gzip(), tool: 'gzip' }
]) {
  test(`what ${tool} unpacks of frames that were cut is the tar`, oracle(tool), async () => {
    const frames = framesOf(300, () => random.bytes(5000))
    const pieces = frames.map(frame => ({ item: 'piece', kind: 'full', frame }) as const)
    const items = await collect(encode(codec, { key: 'k', date: '20261101T000000.000Z' })(pieces))
    const stored = Buffer.concat(items.filter(isChunk).map(({ bytes }) => bytes))
    const { stdout } = spawnSync(tool, ['-dcq'], { input: stored, maxBuffer: 2 ** 24 })
    assert.ok(stdout.equals(Buffer.concat(frames)))
  })
}
