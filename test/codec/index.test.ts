import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { codecFromSuffixes, decodeFrames, gzip, none, openArchive, zstd } from '../../src/codec/index.js'
import { oracle } from '../helpers/oracle.js'
import { build, collect, inChunks, rangesOf, someBytes } from './archives.js'

const CODECS = [zstd(), gzip(), none()]
const FRAMES = [
  someBytes(70_000, 1),
  someBytes(1, 2),
  Buffer.alloc(1024 * 1024),
  someBytes(1024 * 1024, 3),
  someBytes(513, 4)
]

for (const codec of CODECS) {
  test(`${codec.name} gives back every frame alone`, async () => {
    for (const frame of [new Uint8Array(0), ...FRAMES]) {
      const stored = await codec.encode(frame)
      assert.deepEqual(Buffer.from(await codec.decode(stored, frame.length)), Buffer.from(frame))
    }
  })

  test(`${codec.name} refuses a frame of another size`, async () => {
    const stored = await codec.encode(someBytes(1000))
    for (const sizeBytes of [0, 999, 1001, 2 ** 40]) {
      await assert.rejects(codec.decode(stored, sizeBytes), { code: 'IBT_ARCHIVE_CORRUPT' })
    }
  })

  test(`${codec.name} is read on a pipe in chunks of any size`, async () => {
    const { stored, content } = await build(codec, FRAMES)
    for (const length of [997, 65536, stored.length]) {
      assert.deepEqual(await collect(decodeFrames(inChunks(stored, length), codec, 'a')), content)
    }
    const small = await build(codec, [someBytes(300), someBytes(20)])
    assert.deepEqual(await collect(decodeFrames(inChunks(small.stored, 1), codec, 'a')), small.content)
  })

  test(`${codec.name} stores an artifact without frames`, async () => {
    const { stored } = await build(codec, [])
    assert.equal((await collect(decodeFrames([stored], codec, 'a'))).length, 0)
    const archive = await openArchive(rangesOf(stored), stored.length, codec, 'a')
    assert.equal(archive.sizeBytes, 0)
    assert.equal((await archive.read(0, 0)).length, 0)
  })

  test(`${codec.name} is found by its suffix`, () => {
    assert.equal(codecFromSuffixes(codec.suffix === '' ? [] : [codec.suffix]).name, codec.name)
    assert.equal(codecFromSuffixes([codec.suffix.slice(1)]).name, codec.name)
  })
}

test('a suffix that no codec stands for is refused by name', () => {
  for (const suffixes of [['age'], ['.zst', '.age']]) {
    assert.throws(() => codecFromSuffixes(suffixes), {
      code: 'IBT_CODEC_UNKNOWN',
      message: new RegExp(suffixes.at(-1)!)
    })
  }
})

test('a level out of range is refused at the call', () => {
  for (const level of [0, 20, 1.5, Number.NaN]) assert.throws(() => zstd({ level }), RangeError)
  for (const level of [0, 10, -1]) assert.throws(() => gzip({ level }), RangeError)
})

test('a higher level is passed on to the library', async () => {
  const frame = readFileSync(import.meta.filename)
  for (const [codec, level] of [
    [zstd, 19],
    [gzip, 9]
  ] as const) {
    const fast = await codec({ level: 1 }).encode(frame)
    const small = await codec({ level }).encode(frame)
    assert.ok(small.length < fast.length, `${codec.name}: ${small.length} < ${fast.length}`)
    assert.deepEqual(await codec().decode(small, frame.length), frame)
  }
})

test('a frame larger than readers take is refused when it is written', async () => {
  const frame = new Uint8Array(16 * 1024 * 1024 + 1)
  for (const codec of [zstd(), gzip()]) await assert.rejects(codec.encode(frame), RangeError)
})

test('bare bytes instead of a source are a mistake', async () => {
  for (const codec of CODECS) {
    await assert.rejects(collect(decodeFrames(new Uint8Array(3) as never, codec, 'a')), TypeError)
  }
})

const JUDGES = [
  { codec: zstd(), test: ['zstd', '-tq'], decode: ['zstd', '-dcq'] },
  { codec: zstd({ level: 1 }), test: ['zstd', '-tq'], decode: ['zstd', '-dcq'] },
  { codec: gzip(), test: ['gunzip', '-t'], decode: ['gunzip', '-c'] },
  { codec: gzip({ level: 1 }), test: ['gunzip', '-t'], decode: ['zcat'] }
] as const

for (const { codec, test: check, decode } of JUDGES) {
  test(
    `${check.join(' ')} and ${decode.join(' ')} read artifacts of ${codec.name}`,
    oracle(check[0], decode[0]),
    async () => {
      for (const frames of [
        FRAMES,
        [],
        [new Uint8Array(0)],
        Array.from({ length: 9000 }, (_, i) => Buffer.from([i % 251]))
      ]) {
        const { stored, content } = await build(codec, frames)
        assert.deepEqual(run(check, stored), Buffer.alloc(0))
        assert.deepEqual(run(decode, stored), content)
      }
    }
  )
}

for (const codec of CODECS) {
  test(`tar lists an artifact of ${codec.name}`, oracle('tar', 'zstd', 'gzip'), async () => {
    const made = spawnSync('tar', ['-cf', '-', '--format=pax', '-C', import.meta.dirname, '.'])
    assert.equal(made.status, 0, String(made.stderr))
    const { stored } = await build(codec, [...inChunks(made.stdout, 10_000)])
    const flag = { zstd: ['--zstd'], gzip: ['-z'], none: [] }[codec.name]!
    assert.deepEqual(run(['tar', ...flag, '-tf', '-'], stored), run(['tar', '-tf', '-'], made.stdout))
  })
}

function run([command, ...args]: readonly string[], input: Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync(command!, args, { input, maxBuffer: 64 * 1024 * 1024 })
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}`)
  assert.equal(String(stderr), '')
  return stdout
}
