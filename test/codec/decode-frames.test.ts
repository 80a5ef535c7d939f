import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeFrames, gzip, none, zstd } from '../../src/codec/index.js'
import { isBackupError } from '../../src/errors.js'
import { build, collect, inChunks, someBytes } from './archives.js'

const SEED = 20_261_124
const FRAMES = [someBytes(5000, 1), new Uint8Array(0), someBytes(1, 2), someBytes(70_000, 3)]

for (const codec of [zstd(), gzip()]) {
  test(`an artifact of ${codec.name} cut at any frame border or within is noticed on a pipe`, async () => {
    const { stored, borders } = await build(codec, FRAMES)
    const last = borders.at(-1)!
    const cuts = new Set([
      0,
      1,
      4,
      11,
      ...borders,
      ...borders.flatMap(at => [at - 1, at + 3, at + 8]),
      stored.length - 1
    ])
    for (let at = last; at < stored.length; at++) cuts.add(at)
    for (const cut of cuts) {
      const decoded = collect(decodeFrames([stored.subarray(0, cut)], codec, 'cut-one'))
      await assert.rejects(decoded, { code: 'IBT_ARCHIVE_TRUNCATED', path: 'cut-one' }, `at ${cut}`)
    }
  })

  test(`bytes behind the seek table of ${codec.name} are refused`, async () => {
    const { stored } = await build(codec, FRAMES)
    for (const more of [Buffer.from([0]), stored]) {
      await assert.rejects(collect(decodeFrames([stored, more], codec, 'a')), { code: 'IBT_ARCHIVE_CORRUPT' })
    }
  })

  test(`a seek table of ${codec.name} that does not agree with the frames is refused`, async () => {
    const { stored, borders } = await build(codec, FRAMES)
    const last = borders.at(-1)!
    for (const table of [[], [{ storedBytes: last, sizeBytes: 75_001 }], [{ storedBytes: last, sizeBytes: 1 }]]) {
      const artifact = Buffer.concat([stored.subarray(0, last), codec.finish(table)])
      await assert.rejects(collect(decodeFrames([artifact], codec, 'a')), { code: 'IBT_ARCHIVE_CORRUPT' })
    }
  })

  test(`a missing frame of ${codec.name} is noticed`, async () => {
    const { stored, borders } = await build(codec, FRAMES)
    const artifact = Buffer.concat([stored.subarray(0, borders[1]), stored.subarray(borders[2])])
    await assert.rejects(collect(decodeFrames([artifact], codec, 'a')), { code: 'IBT_ARCHIVE_CORRUPT' })
  })

  test(`a flipped bit in an artifact of ${codec.name} never crashes the reader of a pipe`, async () => {
    const { stored, content } = await build(codec, [someBytes(2000), someBytes(200)])
    await fc.assert(
      fc.asyncProperty(fc.nat(stored.length * 8 - 1), async bit => {
        const flipped = Buffer.from(stored)
        flipped[bit >>> 3]! ^= 1 << (bit & 7)
        try {
          const decoded = await collect(decodeFrames(inChunks(flipped, 100), codec, 'a'))
          assert.equal(decoded.length, content.length)
        } catch (error) {
          assert.ok(isBackupError(error) && error.path === 'a', String(error))
        }
      }),
      { seed: SEED, includeErrorInReport: true, numRuns: 400 }
    )
  })

  test(`random bytes are no artifact of ${codec.name}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async bytes => {
        await assert.rejects(collect(decodeFrames([bytes], codec, 'a')), error => isBackupError(error))
      }),
      { seed: SEED, includeErrorInReport: true, numRuns: 200 }
    )
  })

  test(`a reader of ${codec.name} on a pipe pulls nothing until it is pulled, and nothing ahead`, async () => {
    const { stored, borders } = await build(codec, [someBytes(100), someBytes(100), someBytes(100)])
    let pulls = 0
    let isClosed = false
    const source = (async function* () {
      try {
        for (let i = 0; i < borders.length; i++) {
          pulls++
          yield stored.subarray(borders[i - 1] ?? 0, borders[i])
        }
      } finally {
        isClosed = true
      }
    })()
    const decoded = decodeFrames(source, codec, 'a')
    assert.equal(pulls, 0)
    await decoded.next()
    assert.equal(pulls, 1)
    await decoded.return()
    assert.ok(isClosed)
  })

  test(`an error of its source passes a reader of ${codec.name} unchanged`, async () => {
    const failure = new Error('no network')
    const source = (async function* () {
      yield (await build(codec, FRAMES)).stored.subarray(0, 50)
      throw failure
    })()
    await assert.rejects(collect(decodeFrames(source, codec, 'a')), error => error === failure)
  })
}

test('empty chunks mean nothing', async () => {
  for (const codec of [zstd(), gzip(), none()]) {
    const { stored, content } = await build(codec, FRAMES)
    const empty = new Uint8Array(0)
    const decoded = decodeFrames([empty, stored.subarray(0, 10), empty, empty, stored.subarray(10), empty], codec, 'a')
    assert.deepEqual(await collect(decoded), content)
  }
})
