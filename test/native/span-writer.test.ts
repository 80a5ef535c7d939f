import assert from 'node:assert/strict'
import { chownSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeStateEntry } from '../../src/format/state-encode.js'
import { encodeEntry } from '../../src/format/tar-encode.js'
import { toTarHeader } from '../../src/format/tar-header.js'
import { listDirectory, readFiles, SpanWriter } from '../../src/native.js'
import { encodePath } from '../../src/path.js'
import { ListedDirectory } from '../../src/source/listed.js'
import { CHAIN_INDEX, DATES, ODD_NAMES } from '../helpers/state-samples.js'
import { temporaryDirectory, terminated } from './tree.js'

const IS_ROOT = process.geteuid?.() === 0
const OPTIONS = { signMinBytes: 20, blockLenMin: 2048, strongLen: 16, racyMs: 0 }

async function listed(root: string, path: string): Promise<ListedDirectory> {
  return new ListedDirectory(Buffer.from(root), path, await listDirectory(Buffer.from(root), path))
}

/** Headers, contents and padding of all that is plain, and the lines, each by itself: what is written, and what is expected. */
async function* written(directory: ListedDirectory) {
  const writer = new SpanWriter()
  const { count } = directory.listing
  const headers = writer.plan(directory, 0, count)
  for (let i = 0; i < count; i++) {
    const { content: _, ...entry } = directory.entry(i)
    const isFile = entry.type === 'file'
    const expected = encodeEntry(toTarHeader(entry, isFile ? { sizeBytes: entry.sizeBytes! } : {}))
    if (headers[i] === 0) {
      yield { entry, isPlain: false, expected }
      continue
    }
    const slab = Buffer.alloc(8192, 1)
    const gaps = Uint32Array.from(isFile ? [headers[i]!] : [])
    const names = terminated(isFile ? [encodePath(entry.path)] : [])
    const batch = await readFiles(directory.root, names, gaps.length, slab, { ...OPTIONS, gaps })
    const run = { directory, begin: i, end: i + 1, batch, first: 0, previous: undefined }
    const places = new Float64Array(1)
    const end = writer.headers(run, slab, 0, places)
    const signatures = Float64Array.of(isFile && i % 2 === 0 ? 1024 : -1)
    const line = writer.lines(run, { places, base: 512 * i, signatures, date: 1, kind: 'full' }).toString()
    yield { entry, isPlain: true, expected, header: slab.subarray(0, headers[i]), tar: slab.subarray(0, end), line, i }
  }
}

test('headers and lines are byte by byte those of single entries', async t => {
  const root = temporaryDirectory(t)
  for (const directory of ['plain', 'é b']) {
    mkdirSync(join(root, directory))
    const long = ['d'.repeat(92), 'e'.repeat(93), 'f'.repeat(94), 'g'.repeat(95)]
    for (const name of [...ODD_NAMES, ...long, '\udcff']) {
      if (!/^[^/\0]{1,200}$/s.test(name)) continue
      const path = Buffer.concat([Buffer.from(`${join(root, directory)}/`), encodePath(name)])
      writeFileSync(path, name)
      if (name.length % 3 === 0) utimesSync(path, 1_700_000_000, 1_700_000_000)
    }
    for (const name of ['D'.repeat(92), 'E'.repeat(93), 'F'.repeat(94)]) mkdirSync(join(root, directory, name))
    for (const target of ['t', 't'.repeat(100), 't'.repeat(101), 'é', '"']) {
      symlinkSync(
        target,
        join(root, directory, `link ${Buffer.from(target.slice(0, 2)).toString('hex')} ${target.length}`)
      )
    }
    for (const [name, time] of [
      ['early', 5.5],
      ['epoch', 0],
      ['before', -1.5],
      ['far', 40_000_000_000.25]
    ] as const) {
      writeFileSync(join(root, directory, name), name)
      utimesSync(join(root, directory, name), time, time)
    }
    if (IS_ROOT) {
      writeFileSync(join(root, directory, 'owned'), 'owned')
      chownSync(join(root, directory, 'owned'), 3_000_000_000, 0o10000000)
    }
  }
  const counts = { plain: 0, others: 0 }
  for (const path of ['.', 'plain', 'é b']) {
    const directory = await listed(root, path)
    for await (const { entry, isPlain, expected, header, tar, line, i } of written(directory)) {
      counts[isPlain ? 'plain' : 'others']++
      if (!isPlain) continue
      assert.deepEqual(header, expected, entry.path)
      const isFile = entry.type === 'file'
      const content = isFile ? encodePath(entry.path.slice(path.length + 1)) : Buffer.alloc(0)
      if (isFile && !/^(early|epoch|before|far|owned)$/.test(content.toString())) {
        assert.deepEqual(tar!.subarray(header!.length, header!.length + content.length), content)
      }
      assert.equal(tar!.length % 512, 0)
      const sha256 = /"sha256":"([0-9a-f]{64})"/.exec(line!)?.[1]
      const signature = i! % 2 === 0 ? { date: DATES[1], offset: 1024 } : undefined
      const stored = { sha256, places: [{ date: DATES[1], in: 'full' as const, offset: 512 * i! }], signature }
      assert.equal(line, encodeStateEntry(isFile ? { ...entry, ...stored } : entry, CHAIN_INDEX))
    }
  }
  assert.ok(counts.plain > 10 && counts.others > 10, JSON.stringify(counts))
})

test('contents that do not stand behind their headers are noticed', async t => {
  const root = temporaryDirectory(t)
  for (const name of ['a', 'b']) writeFileSync(join(root, name), name)
  const directory = await listed(root, '.')
  const writer = new SpanWriter()
  const [first, second] = writer.plan(directory, 0, 2)
  for (const gaps of [
    [first! + 1, second!],
    [first!, second! + 512],
    [first! - 512, second!]
  ]) {
    const slab = Buffer.alloc(8192)
    const options = { ...OPTIONS, gaps: Uint32Array.from(gaps) }
    const batch = await readFiles(directory.root, terminated(['a', 'b']), 2, slab, options)
    const run = { directory, begin: 0, end: 2, batch, first: 0, previous: undefined }
    assert.equal(writer.headers(run, slab, 0, new Float64Array(2)), undefined)
  }
})

test('wrong arguments are refused', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'a'), 'a')
  const directory = await listed(root, '.')
  const writer = new SpanWriter()
  const batch = await readFiles(directory.root, terminated(['a']), 1, Buffer.alloc(4096), OPTIONS)
  const run = { directory, begin: 0, end: 1, batch, first: 0, previous: undefined }
  const places = new Float64Array(1)
  const at = { places, base: 0, signatures: places, date: 0, kind: 'full' }
  assert.throws(() => writer.plan(directory, 0, 2), RangeError)
  assert.throws(() => writer.plan(directory, 1, 0), RangeError)
  assert.throws(() => writer.headers({ ...run, first: 1 }, Buffer.alloc(4096), 0, places), RangeError)
  assert.throws(() => writer.headers(run, Buffer.alloc(4096), 0, new Float64Array(0)), RangeError)
  assert.equal(writer.headers(run, Buffer.alloc(100), 0, places), undefined)
  assert.throws(() => writer.lines(run, { ...at, base: -1 }), RangeError)
  assert.throws(() => writer.lines(run, { ...at, signatures: new Float64Array(0) }), RangeError)
  const { listing } = directory
  const cut = { pathBytes: directory.pathBytes, listing: { ...listing, columns: listing.columns.subarray(1) } }
  assert.throws(() => writer.plan(cut, 0, 1), RangeError)
  const offsets = { ...listing, nameOffsets: Uint32Array.of(0, 2 ** 31) }
  assert.deepEqual([...writer.plan({ pathBytes: directory.pathBytes, listing: offsets }, 0, 1)].length, 1)
})
