import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import * as zlib from 'node:zlib'
import { decodeFrames, zstd } from '../../src/codec/index.js'
import { storeZstdFrame } from '../../src/codec/zstd-frame.js'
import { zstdLibrary, zstdOf } from '../../src/codec/zstd-library.js'
import { oracle } from '../helpers/oracle.js'
import { build, collect, someBytes } from './archives.js'

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]
/** Blocks of 128 KiB that four bytes stand for. */
const RLE_BLOCK = [0x02, 0x00, 0x10, 0x61]
const LAST_RLE_BLOCK = [0x03, 0x00, 0x10, 0x61]

function frameOf(rleBlocks: number, header = [0x00, 0x58]): Buffer {
  const blocks = Array.from({ length: rleBlocks - 1 }, () => RLE_BLOCK).flat()
  return Buffer.from([...MAGIC, ...header, ...blocks, ...LAST_RLE_BLOCK])
}

test('a frame of 128 long blocks is decoded, one more is refused before it is decoded', async () => {
  const largest = await zstd().decode(frameOf(128), 16 * 1024 * 1024)
  assert.ok(largest.every(byte => byte === 0x61))
  const bomb = frameOf(3200)
  await assert.rejects(zstd().decode(bomb, 16 * 1024 * 1024), {
    code: 'IBT_ARCHIVE_CORRUPT',
    message: /may decode to more/
  })
  await assert.rejects(collect(decodeFrames([bomb], zstd(), 'bomb')), { code: 'IBT_ARCHIVE_CORRUPT', path: 'bomb' })
})

test('an endless row of empty blocks is refused', async () => {
  const endless = (function* () {
    yield Buffer.from([...MAGIC, 0x00, 0x58])
    for (;;) yield new Uint8Array(3000)
  })()
  await assert.rejects(collect(decodeFrames(endless, zstd(), 'a')), { code: 'IBT_ARCHIVE_CORRUPT', message: /blocks/ })
})

test('a header that asks for what it cannot have is refused', async () => {
  const headers: Record<string, number[]> = {
    'a window of 2 GB': [0x00, 0xa8],
    'a content of 2^40 bytes': [0xc0, 0x58, 0, 0, 0, 0, 0, 1, 0, 0],
    'another content size than the blocks have': [0x80, 0x58, 5, 0, 0, 0],
    'a dictionary': [0x01, 0x58, 1],
    'a reserved bit': [0x08, 0x58]
  }
  for (const [name, header] of Object.entries(headers)) {
    await assert.rejects(zstd().decode(frameOf(1, header), 131_072), { code: 'IBT_ARCHIVE_CORRUPT' }, name)
  }
})

test('two frames, or less than one, are not one frame', async () => {
  const one = frameOf(1)
  await assert.rejects(zstd().decode(Buffer.concat([one, one]), 262_144), { code: 'IBT_ARCHIVE_CORRUPT' })
  for (let cut = 0; cut < one.length; cut++) {
    await assert.rejects(zstd().decode(one.subarray(0, cut), 131_072), { code: 'IBT_ARCHIVE_CORRUPT' })
  }
})

test('blocks stored as they are decode to the same bytes', oracle('zstd'), async () => {
  for (const length of [0, 1, 131_071, 131_072, 131_073, 1_048_576]) {
    const frame = someBytes(length)
    const stored = storeZstdFrame(frame)
    assert.deepEqual(Buffer.from(await zstd().decode(stored, length)), Buffer.from(frame))
    assert.deepEqual(spawnSync('zstd', ['-dcq'], { input: stored, maxBuffer: 2 ** 24 }).stdout, frame)
  }
})

test('frames of the zstd command are read: content size, checksum and single segment', oracle('zstd'), async () => {
  for (const length of [0, 1, 255, 256, 70_000, 1_048_576]) {
    const frame = someBytes(length)
    for (const level of ['-1', '-19', '--fast=5']) {
      const { stdout } = spawnSync('zstd', [level, '-cq', '--check', `--stream-size=${length}`], {
        input: frame,
        maxBuffer: 2 ** 24
      })
      assert.deepEqual(Buffer.from(await zstd().decode(stdout, length)), Buffer.from(frame))
    }
  }
})

test('skippable frames are skipped if the seek table has them', async () => {
  const skippable = Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  const { stored, borders, content } = await build(zstd(), [someBytes(100)])
  const table = zstd().finish([
    { storedBytes: skippable.length, sizeBytes: 0 },
    { storedBytes: borders[0]!, sizeBytes: 100 }
  ])
  const artifact = Buffer.concat([skippable, stored.subarray(0, borders[0]), table])
  assert.deepEqual(await collect(decodeFrames([artifact], zstd(), 'a')), content)
  await assert.rejects(collect(decodeFrames([skippable, stored], zstd(), 'a')), { code: 'IBT_ARCHIVE_CORRUPT' })
})

test('Node’s own zstd is called with the level and a bound on the output', async () => {
  const calls: unknown[] = []
  const own = {
    constants: { ZSTD_c_compressionLevel: 100 },
    zstdCompress(bytes: Uint8Array, options: unknown, done: (error: null, result: Uint8Array) => void) {
      calls.push(options)
      done(null, bytes)
    },
    zstdDecompress(_: Uint8Array, options: unknown, done: (error: Error) => void) {
      calls.push(options)
      done(new Error('refused'))
    }
  }
  const library = zstdOf(own)!
  assert.deepEqual(await library.compress(Buffer.from('x'), 7), Buffer.from('x'))
  await assert.rejects(library.decompress(Buffer.from('x'), 0), { message: 'refused' })
  assert.deepEqual(calls, [{ params: { 100: 7 } }, { maxOutputLength: 1 }])
})

test('Node’s own zstd and the package read each other', {
  skip: !('zstdCompress' in zlib) && `the zlib module of Node ${process.version} has no zstd; that of Node 22.15 has`
}, async () => {
  const libraries = [zstdLibrary(), zstdOf(zlib)!]
  for (const writer of libraries) {
    for (const reader of libraries) {
      const frame = someBytes(100_000)
      const stored = await writer.compress(frame, 3)
      assert.deepEqual(Buffer.from(await reader.decompress(stored, frame.length)), Buffer.from(frame))
    }
  }
})
