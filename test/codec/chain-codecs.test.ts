import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  chainCodecs,
  codecFromSuffixes,
  decodeFrames,
  gzip,
  knownCodecs,
  none,
  openArchive,
  zstd
} from '../../src/codec/index.js'
import type { Codec, FrameSize } from '../../src/types.js'
import { oracle } from '../helpers/oracle.js'
import { collect, inChunks, rangesOf, someBytes } from './archives.js'
import { shifted } from './shifted.js'

const FRAMES = [
  someBytes(70_000, 1),
  someBytes(1, 2),
  randomBytes(1024 * 1024),
  Buffer.alloc(1024 * 1024),
  someBytes(9, 4)
]
const CONTENT = Buffer.concat(FRAMES)

/** An artifact as `encode` stores it: frames are encoded at the same time. */
async function store(codec: Codec, frames: readonly Uint8Array[] = FRAMES): Promise<Buffer> {
  const encoder = codec.encoder?.() ?? codec
  const stored = await Promise.all(frames.map(frame => encoder.encode(frame)))
  const sizes: FrameSize[] = stored.map((bytes, i) => ({ storedBytes: bytes.length, sizeBytes: frames[i]!.length }))
  return Buffer.concat([...stored, await encoder.finish(sizes)])
}

const PAIRS: readonly (readonly [Codec, Codec])[] = [
  [zstd(), shifted()],
  [shifted(), gzip()],
  [gzip(), zstd()],
  [zstd(), gzip()],
  [none(), zstd()],
  [zstd(), none()],
  [chainCodecs(zstd(), shifted()), gzip()],
  [shifted(), chainCodecs(zstd(), shifted(2, '.two'))]
]

for (const [first, second] of PAIRS) {
  const codec = chainCodecs(first, second)
  test(`${codec.name} gives back an artifact, as a stream and by ranges`, async () => {
    assert.equal(codec.suffix, first.suffix + second.suffix)
    const stored = await store(codec)
    for (const length of [1000, stored.length]) {
      assert.ok(CONTENT.equals(await collect(decodeFrames(inChunks(stored, length), codec, 'a'))))
    }
    const archive = await openArchive(rangesOf(stored), stored.length, codec, 'a')
    assert.equal(archive.sizeBytes, CONTENT.length)
    for (const [start, end] of [
      [0, 1],
      [69_999, 70_002],
      [500_000, 1_600_000],
      [CONTENT.length - 9, CONTENT.length],
      [0, CONTENT.length]
    ] as const) {
      assert.ok(CONTENT.subarray(start, end).equals(await archive.read(start, end - start)), `${start} to ${end}`)
    }
  })

  test(`${codec.name} holds an artifact of ${first.name}, seek table and all`, async () => {
    const between = await collect(second.decodeAll([await store(codec)], 'a'))
    assert.ok((await store(first)).equals(between))
  })

  test(`${codec.name} stores an artifact without frames`, async () => {
    const stored = await store(codec, [])
    assert.equal((await collect(decodeFrames([stored], codec, 'a'))).length, 0)
    assert.equal((await openArchive(rangesOf(stored), stored.length, codec, 'a')).sizeBytes, 0)
  })
}

test('two artifacts at the same time do not know of each other', async () => {
  const codec = chainCodecs(zstd(), gzip())
  const [one, other] = await Promise.all([store(codec), store(codec, FRAMES.toReversed())])
  assert.ok(CONTENT.equals(await collect(decodeFrames([one], codec, 'a'))))
  assert.ok(Buffer.concat(FRAMES.toReversed()).equals(await collect(decodeFrames([other], codec, 'a'))))
})

test('plain tools undo a chain one by one', oracle('gunzip', 'zstd'), async () => {
  const stored = await store(chainCodecs(zstd(), gzip()))
  const between = execFileSync('gunzip', ['-c'], { input: stored, maxBuffer: 2 ** 26 })
  assert.ok(CONTENT.equals(execFileSync('zstd', ['-dc'], { input: between, maxBuffer: 2 ** 26 })))
})

test('a chain that is cut or damaged says so', async () => {
  const codec = chainCodecs(zstd(), gzip())
  const stored = await store(codec)
  const cut = stored.subarray(0, stored.length >> 1)
  await assert.rejects(collect(decodeFrames([cut], codec, 'a')), /IBT_|cut|corrupt/)
  await assert.rejects(openArchive(rangesOf(cut), cut.length, codec, 'a'), { code: 'IBT_ARCHIVE_TRUNCATED' })
})

test('a chain is found by its suffixes, made of the codecs that are known', async () => {
  const stored = await store(chainCodecs(zstd(), shifted()))
  for (const own of [[shifted()], [chainCodecs(zstd(), shifted())]]) {
    const codec = codecFromSuffixes(['zst', 'mine'], own)
    assert.ok(CONTENT.equals(await collect(decodeFrames([stored], codec, 'a'))))
  }
  assert.throws(() => codecFromSuffixes(['zst', 'mine']), { code: 'IBT_CODEC_UNKNOWN' })
  assert.throws(() => codecFromSuffixes(['mine', 'other'], [shifted()]), { code: 'IBT_CODEC_UNKNOWN' })
  assert.equal(codecFromSuffixes([], [shifted()]).name, 'none')
})

test('codecs of one’s own are checked at the call', () => {
  assert.throws(() => knownCodecs([{ ...none(), suffix: '.Mine' }]), TypeError)
  assert.throws(() => knownCodecs([{ suffix: '.mine' } as Codec]), TypeError)
  assert.throws(() => knownCodecs([shifted(1), shifted(2)]), RangeError)
})
