import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { gzip, none, openArchive, zstd } from '../../src/codec/index.js'
import { isBackupError } from '../../src/errors.js'
import { build, collect, rangesOf, someBytes } from './archives.js'

const SEED = 20_261_123
const FRAMES = [someBytes(5000, 1), new Uint8Array(0), someBytes(1, 2), someBytes(70_000, 3), someBytes(300, 4)]
const CODECS = [zstd(), gzip(), none()]

for (const codec of CODECS) {
  test(`any range of an archive of ${codec.name} is read`, async () => {
    const { stored, content } = await build(codec, FRAMES)
    const archive = await openArchive(rangesOf(stored), stored.length, codec, 'a')
    assert.equal(archive.sizeBytes, content.length)
    await fc.assert(
      fc.asyncProperty(fc.nat(content.length), fc.nat(content.length), async (a, b) => {
        const [start, end] = a < b ? [a, b] : [b, a]
        assert.deepEqual(await archive.read(start, end - start), content.subarray(start, end))
        assert.deepEqual(await collect(archive.bytes(start, end - start)), content.subarray(start, end))
      }),
      { seed: SEED, includeErrorInReport: true, numRuns: 60 }
    )
  })

  test(`what lies beyond the end of an archive of ${codec.name} is refused`, async () => {
    const { stored, content } = await build(codec, FRAMES)
    const archive = await openArchive(rangesOf(stored), stored.length, codec, 'some-name')
    const expected = { code: 'IBT_ARCHIVE_TRUNCATED', path: 'some-name' }
    await assert.rejects(archive.read(content.length, 1), expected)
    await assert.rejects(archive.read(0, 2 ** 50), expected)
    await assert.rejects(collect(archive.bytes(1, content.length)), expected)
    for (const [offset, length] of [
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [0, Number.NaN]
    ]) {
      await assert.rejects(archive.read(offset!, length!), RangeError)
    }
  })

  test(`a store that gives fewer bytes than asked for is noticed in an archive of ${codec.name}`, async () => {
    const { stored } = await build(codec, FRAMES)
    const archive = await openArchive(rangesOf(stored), stored.length, codec, 'a')
    const short = await openArchive(async (start, end) => stored.slice(start, end), stored.length, codec, 'a')
    assert.equal(short.sizeBytes, archive.sizeBytes)
    const cut = stored.subarray(0, stored.length - 1)
    const opened = openArchive(rangesOf(cut), stored.length, codec, 'a')
    await assert.rejects(
      opened.then(reader => reader.read(0, reader.sizeBytes)),
      { code: 'IBT_ARCHIVE_TRUNCATED', path: 'a' }
    )
  })
}

test('opening a large archive reads its table and little more, and one of tiny frames no byte twice', async () => {
  for (const codec of [zstd(), gzip()]) {
    for (const [frames, frameBytes, most] of [
      [100, 40_000, 1],
      [8000, 30, 2]
    ] as const) {
      const { stored, content } = await build(
        codec,
        Array.from({ length: frames }, (_, i) => someBytes(frameBytes, i))
      )
      let bytes = 0
      const read = rangesOf(stored)
      const watched = (start: number, end: number) => {
        bytes += end - start
        return read(start, end)
      }
      const archive = await openArchive(watched, stored.length, codec, 'a')
      assert.ok(read.requests <= most, `${read.requests} requests`)
      assert.ok(bytes <= 4096 + 16 * frames, `${bytes} bytes of ${stored.length}`)
      const end = content.length
      assert.deepEqual(await archive.read(end - 10, 10), content.subarray(end - 10))
    }
  }
})

test('a table longer than one extra field and one request is read', async () => {
  for (const codec of [zstd(), gzip()]) {
    for (const count of [8190, 8191, 8192, 16_382, 20_000]) {
      const stored = await codec.encode(Buffer.from('ab'))
      const table = codec.finish(Array.from({ length: count }, () => ({ storedBytes: stored.length, sizeBytes: 2 })))
      const artifact = Buffer.concat([...Array.from({ length: count }, () => stored), table])
      const archive = await openArchive(rangesOf(artifact), artifact.length, codec, 'a')
      assert.equal(archive.sizeBytes, 2 * count)
      assert.equal(String(await archive.read(2 * count - 3, 3)), 'bab')
    }
  }
})

test('reads of one frame share its decoding, and the two last frames are kept', async () => {
  const size = 300_000
  const { stored } = await build(zstd(), [someBytes(size), someBytes(size), someBytes(size), someBytes(size)])
  const read = rangesOf(stored)
  const archive = await openArchive(read, stored.length, zstd(), 'a')
  await Promise.all([archive.read(2 * size, 10), archive.read(2 * size + 500, 10), archive.read(0, 10)])
  await archive.read(3 * size - 100, 100)
  assert.equal(read.requests, 3)
  await archive.read(size, 1)
  await archive.read(0, 1)
  assert.equal(read.requests, 5)
})

test('who reads frame after frame finds the next one fetched', async () => {
  const { stored, content } = await build(
    zstd(),
    Array.from({ length: 20 }, (_, i) => someBytes(50_000, i))
  )
  const read = rangesOf(stored)
  const archive = await openArchive(read, stored.length, zstd(), 'a')
  for (let at = 0; at < content.length; at += 5000) {
    assert.deepEqual(await archive.view(at, 5000), content.subarray(at, at + 5000))
  }
  assert.equal(read.requests, 4, 'the table, two frames, and all the others together')
})

test('a range of several frames takes one request, and fetches nothing behind it', async () => {
  const { stored, content, borders } = await build(
    zstd(),
    Array.from({ length: 20 }, (_, i) => someBytes(50_000, i))
  )
  const ranges: [number, number][] = []
  const read = rangesOf(stored)
  const watched = (start: number, end: number) => {
    ranges.push([start, end])
    return read(start, end)
  }
  const archive = await openArchive(watched, stored.length, zstd(), 'a')
  assert.deepEqual(await archive.read(60_000, 200_000), content.subarray(60_000, 260_000))
  assert.deepEqual(ranges.slice(1), [[borders[0]!, borders[5]!]])
})

test('a view of at least so many bytes ends with its frame, and reads no other one', async () => {
  const { stored, content, borders } = await build(zstd(), [someBytes(300_000), someBytes(300_000)])
  const ranges: [number, number][] = []
  const read = rangesOf(stored)
  const watched = (start: number, end: number) => {
    ranges.push([start, end])
    return read(start, end)
  }
  const archive = await openArchive(watched, stored.length, zstd(), 'a')
  assert.deepEqual(await archive.view(299_000, 3000, 1000), content.subarray(299_000, 300_000))
  assert.deepEqual(archive.held(299_000, 3000, 1000), content.subarray(299_000, 300_000))
  assert.equal(archive.held(299_000, 3000, 1001), undefined)
  assert.deepEqual(ranges.slice(1), [[0, borders[0]!]])
  assert.deepEqual(await archive.view(299_000, 3000, 1001), content.subarray(299_000, 302_000))
})

test('of frames that are stored as they are, the first bytes are read alone, and their frame with what is near', async () => {
  const bytes = Buffer.from(someBytes(3_000_000))
  const ranges: [number, number][] = []
  const read = async (start: number, end: number) => {
    ranges.push([start, end])
    return bytes.subarray(start, end)
  }
  const archive = await openArchive(read, bytes.length, none(), 'a')
  assert.deepEqual(await archive.view(1_500_000, 1000), bytes.subarray(1_500_000, 1_501_000))
  assert.deepEqual(ranges, [[1_500_000, 1_501_000]])
  assert.deepEqual(await archive.view(1_501_000, 1000), bytes.subarray(1_501_000, 1_502_000))
  assert.deepEqual(await archive.view(2_097_000, 1000), bytes.subarray(2_097_000, 2_098_000))
  assert.deepEqual(ranges.slice(1, 2), [[1_048_576, 2_097_152]])
  assert.ok(ranges.length <= 3)
})

test('an archive that is smaller than its tail takes one request for everything', async () => {
  for (const codec of [zstd(), gzip()]) {
    const { stored, content } = await build(codec, FRAMES)
    const read = rangesOf(stored)
    const archive = await openArchive(read, stored.length, codec, 'a')
    assert.deepEqual(await archive.read(0, content.length), content)
    assert.equal(read.requests, 1)
  }
})

test('a tail that could not be fetched is asked for again', async () => {
  const { stored, content } = await build(none(), [someBytes(1000)])
  let failures = 1
  const ranges = rangesOf(stored)
  const flaky = async (start: number, end: number) => {
    if (failures-- > 0) throw new Error('no network')
    return ranges(start, end)
  }
  const archive = await openArchive(flaky, stored.length, none(), 'a')
  await assert.rejects(archive.read(0, 10), { message: 'no network' })
  assert.deepEqual(await archive.read(0, 10), content.subarray(0, 10))
})

test('bytes that were read are nobody else’s', async () => {
  const { stored, content } = await build(zstd(), [someBytes(1000)])
  const archive = await openArchive(rangesOf(stored), stored.length, zstd(), 'a')
  const bytes = await archive.read(10, 20)
  bytes.fill(0)
  assert.deepEqual(await archive.read(10, 20), content.subarray(10, 30))
})

test('a request that fails once is made again by the next read', async () => {
  const { stored, content } = await build(zstd(), [someBytes(900_000)])
  let failures = 1
  const ranges = rangesOf(stored)
  const archive = await openArchive(ranges, stored.length, zstd(), 'a')
  const flaky = await openArchive(
    async (start, end) => {
      if (end < stored.length && failures-- > 0) throw new Error('no network')
      return ranges(start, end)
    },
    stored.length,
    zstd(),
    'a'
  )
  await assert.rejects(flaky.read(0, 10), { message: 'no network' })
  assert.deepEqual(await flaky.read(0, 10), content.subarray(0, 10))
  assert.equal(archive.name, 'a')
})

test('a consumer that stops early leaves no error behind', async () => {
  const { stored, borders } = await build(zstd(), [someBytes(1000), someBytes(1000)])
  stored.fill(0, borders[0]!, borders[0]! + 4)
  const archive = await openArchive(rangesOf(stored), stored.length, zstd(), 'a')
  for await (const chunk of archive.bytes(0, 2000)) {
    assert.equal(chunk.length, 1000)
    break
  }
  await new Promise(resolve => setTimeout(resolve, 20))
})

for (const codec of [zstd(), gzip()]) {
  test(`an archive of ${codec.name} cut anywhere is not opened`, async () => {
    const { stored, borders } = await build(codec, FRAMES)
    for (const cut of new Set([0, 1, ...borders, ...borders.map(at => at + 1), stored.length - 1, stored.length - 9])) {
      const opened = openArchive(rangesOf(stored.subarray(0, cut)), cut, codec, 'cut-one')
      await assert.rejects(opened, { code: 'IBT_ARCHIVE_TRUNCATED', path: 'cut-one' }, `at ${cut}`)
    }
  })

  test(`a table of ${codec.name} that cannot be right is refused`, async () => {
    const { stored, borders } = await build(codec, FRAMES)
    const frames = stored.subarray(0, borders.at(-1)!)
    const size = { storedBytes: frames.length, sizeBytes: 10 }
    const tables = [
      [],
      [{ ...size, storedBytes: frames.length - 1 }],
      [{ ...size, sizeBytes: 16 * 1024 * 1024 + 1 }],
      [size, { storedBytes: 0xffffffff, sizeBytes: 1 }],
      [size, size]
    ]
    for (const table of tables) {
      const artifact = Buffer.concat([frames, codec.finish(table)])
      await assert.rejects(openArchive(rangesOf(artifact), artifact.length, codec, 'a'), {
        code: 'IBT_ARCHIVE_CORRUPT'
      })
    }
  })

  test(`a table of ${codec.name} with other sizes than its frames have is noticed when they are read`, async () => {
    const { stored, borders } = await build(codec, [someBytes(1000)])
    const table = codec.finish([{ storedBytes: borders[0]!, sizeBytes: 16 * 1024 * 1024 }])
    const artifact = Buffer.concat([stored.subarray(0, borders[0]), table])
    const archive = await openArchive(rangesOf(artifact), artifact.length, codec, 'a')
    await assert.rejects(archive.read(0, 10), { code: 'IBT_ARCHIVE_CORRUPT', path: 'a' })
  })

  test(`hostile bytes at the end of an archive of ${codec.name} give a named error or right sums`, async () => {
    const { stored, borders } = await build(codec, [someBytes(100), someBytes(100)])
    const tableStart = borders.at(-1)!
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(stored.length - tableStart - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async edits => {
          const hostile = Buffer.from(stored)
          for (const [at, value] of edits) hostile[tableStart + at] = value
          await readOrRefuse(hostile, codec)
        }
      ),
      { seed: SEED, includeErrorInReport: true, numRuns: 400 }
    )
  })

  test(`a flipped bit anywhere in an archive of ${codec.name} never crashes a reader`, async () => {
    const { stored } = await build(codec, [someBytes(2000), someBytes(200)])
    await fc.assert(
      fc.asyncProperty(fc.nat(stored.length * 8 - 1), async bit => {
        const flipped = Buffer.from(stored)
        flipped[bit >>> 3]! ^= 1 << (bit & 7)
        await readOrRefuse(flipped, codec)
      }),
      { seed: SEED, includeErrorInReport: true, numRuns: 400 }
    )
  })

  test(`random bytes are no archive of ${codec.name}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async bytes => {
        await assert.rejects(openArchive(rangesOf(bytes), bytes.length, codec, 'a'), { code: 'IBT_ARCHIVE_TRUNCATED' })
      }),
      { seed: SEED, includeErrorInReport: true, numRuns: 200 }
    )
  })
}

async function readOrRefuse(stored: Uint8Array, codec: ReturnType<typeof zstd>): Promise<void> {
  try {
    const archive = await openArchive(rangesOf(stored), stored.length, codec, 'a')
    await archive.read(0, Math.min(archive.sizeBytes, 1_000_000))
  } catch (error) {
    assert.ok(isBackupError(error) && error.path === 'a', String(error))
  }
}
