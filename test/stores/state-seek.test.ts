import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chainCodecs, gzip, none, zstd } from '../../src/codec/index.js'
import { comparePaths } from '../../src/path.js'
import { openStateFrom, type SeekOptions } from '../../src/stores/state-seek.js'
import type { Codec, StateEntry } from '../../src/types.js'
import { build, rangesOf, someBytes } from '../codec/archives.js'
import { code, collect, stateEntry } from '../helpers/entries.js'
import { ENTRIES, encodeState } from '../helpers/state-samples.js'

function* framesOf(text: string, frameBytes: number): Generator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += frameBytes) yield bytes.subarray(at, at + frameBytes)
}

async function storeState(codec: Codec, text: string, frameBytes: number) {
  const { stored } = await build(codec, [...framesOf(text, frameBytes)])
  const read = rangesOf(stored)
  const open = (options: SeekOptions) =>
    openStateFrom({ name: 'state', sizeBytes: stored.length, codec, read }, { ...options })
  return { stored, read, open }
}

/** Entries of some size, whose paths are in directories. */
function manyEntries(count: number): StateEntry[] {
  const paths = Array.from({ length: count }, (_, i) => `d${i % 97}/${Buffer.from(someBytes(40, i + 1))}-${i}`)
  return paths.map(path => stateEntry(path)).sort((a, b) => comparePaths(a.path, b.path))
}

for (const codec of [zstd(), gzip(), none()]) {
  for (const frameBytes of [64, 999, 100_000]) {
    test(`a state of ${codec.name} in frames of ${frameBytes} bytes is read from any path on`, async () => {
      const { open } = await storeState(codec, encodeState(), frameBytes)
      const wanted = [...ENTRIES.map(({ path }) => path), '', 'a', 'plain!', 'plain/x', 'zzzz', '\u{10ffff}']
      for (const from of wanted) {
        const expected = ENTRIES.filter(({ path }) => comparePaths(path, from) >= 0).map(({ path }) => path)
        for (const fetchBytes of [0, 2000]) {
          const state = await open({ from, fetchBytes })
          assert.deepEqual(
            (await collect(state.entries())).map(({ path }) => path),
            expected,
            JSON.stringify({ from, fetchBytes })
          )
        }
      }
    })
  }
}

test('what is read from a path on is what the state says, with its offsets and header', async () => {
  const { open } = await storeState(zstd(), encodeState(), 500)
  const all = await collect((await open({ from: '.' })).entries())
  const text = Buffer.from(encodeState())
  const state = await open({ from: 'all' })
  assert.equal(state.header.key, 'home.me')
  const entries = state.entries()
  const { value: first } = await entries.next()
  assert.deepEqual(
    first,
    all.find(({ path }) => path === 'all')
  )
  assert.ok(text.subarray(state.offset).toString().startsWith('{"path":"all"'))
  await entries.return()
  assert.throws(() => state.closing(), code('IBT_STATE_INVALID'))
  await assert.rejects(collect(state.entries()), code('IBT_STATE_INVALID'))
})

test('a chain of codecs is sought, too', async () => {
  const both = chainCodecs(zstd(), gzip())
  const encoder = both.encoder!()
  const sizes = []
  const stored: Uint8Array[] = []
  for (const frame of framesOf(encodeState(), 700)) {
    const encoded = await encoder.encode(frame)
    stored.push(encoded)
    sizes.push({ storedBytes: encoded.length, sizeBytes: frame.length })
  }
  const bytes = Buffer.concat([...stored, await encoder.finish(sizes)])
  const state = { name: 'state', sizeBytes: bytes.length, codec: both, read: rangesOf(bytes) }
  const { value } = await (await openStateFrom(state, { from: 'plain' })).entries().next()
  assert.equal((value as StateEntry).path, 'plain')
})

test('a path in a large state is found with few requests, and in one that fits with two', async () => {
  const entries = manyEntries(40_000)
  const { open, read, stored } = await storeState(zstd({ level: 1 }), encodeState(entries), 20_000)
  assert.ok(stored.length > 1_000_000, String(stored.length))
  for (const [fetchBytes, most] of [
    [stored.length, 2],
    // The end, the first frame, a probe for each halving, and what is left at once.
    [stored.length / 2 + 1, 5],
    [stored.length / 16, 8],
    [0, 16]
  ] as const) {
    for (const at of [0, 1, 7777, 20_000, 39_998, 39_999]) {
      read.requests = 0
      const state = await open({ from: entries[at]!.path, fetchBytes })
      const found = state.entries()
      assert.equal(((await found.next()).value as StateEntry).path, entries[at]!.path)
      await found.return()
      assert.ok(read.requests <= most, `${read.requests} requests with ${fetchBytes} bytes together`)
    }
  }
})

test('lines that are longer than frames, up to the closing one, are sought', async () => {
  const entries = ['a', 'b', 'c', 'd'].map(path => stateEntry(path, { linkname: path.repeat(5000), type: 'symlink' }))
  const { open } = await storeState(gzip(), encodeState(entries), 300)
  for (const { path } of entries) {
    const { value } = await (await open({ from: path })).entries().next()
    assert.equal((value as StateEntry).path, path)
  }
  assert.deepEqual(await collect((await open({ from: 'e' })).entries()), [])
})

test('what is not a state is refused with a code', async () => {
  for (const text of ['no lines', '{}\n', `${encodeState().slice(0, 50)}\n`]) {
    const { open } = await storeState(zstd(), text, 100)
    await assert.rejects(open({ from: 'a' }), error => /^IBT_STATE/.test((error as { code: string }).code))
  }
  const { open } = await storeState(zstd(), encodeState().slice(0, -100), 100)
  await assert.rejects(
    open({ from: 'zzz' }).then(state => collect(state.entries())),
    code('IBT_ARCHIVE_TRUNCATED')
  )
  const cut = encodeState()
  const { open: openCut } = await storeState(none(), cut.slice(0, cut.lastIndexOf('\n],') + 1), 100)
  await assert.rejects(
    openCut({ from: 'zzz' }).then(state => collect(state.entries())),
    code('IBT_ARCHIVE_TRUNCATED')
  )
})
