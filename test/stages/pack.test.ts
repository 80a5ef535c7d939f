import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tarBody } from '../../src/codec/tar-body.js'
import {
  BATCHED_FILE_BYTES,
  FRAME_BYTES,
  PACK_PENDING_BYTES,
  PACK_PENDING_ENTRIES,
  PART_BYTES
} from '../../src/constants.js'
import { BackupError } from '../../src/errors.js'
import { decodeEntryAt } from '../../src/format/tar-decode.js'
import { compose } from '../../src/interop/compose.js'
import { pipe } from '../../src/interop/pipe.js'
import { createRules } from '../../src/rules.js'
import { DiskContent } from '../../src/source/disk.js'
import { filter } from '../../src/stages/filter.js'
import { mapEntries } from '../../src/stages/map-entries.js'
import { observe } from '../../src/stages/observe.js'
import { only } from '../../src/stages/only.js'
import { type PackOptions, pack } from '../../src/stages/pack.js'
import { sign } from '../../src/stages/sign.js'
import { walk } from '../../src/stages/walk.js'
import type { Body, Entry, Kind, Packed, Piece, Place, Signed, Stage, StateEntry, Summary } from '../../src/types.js'
import { isPacked, isPiece } from '../../src/types.js'
import {
  archiveOf,
  bytesOf,
  code,
  collect,
  content,
  directory,
  entry,
  file,
  parkedContent,
  unchangedLines
} from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'
import { stageContract } from '../helpers/stage-contract.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const INCREMENTAL: PackOptions = { whole: 'created', delta: 'updated' }
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function packed(items: Iterable<object> | AsyncIterable<object>, options: PackOptions = { whole: 'full' }) {
  const pieces: Piece[] = []
  const entries: Packed[] = []
  const written = new Map<Kind, number>()
  for await (const item of pack(options)(items as AsyncIterable<Entry>)) {
    if (isPiece(item)) {
      pieces.push(item)
      written.set(item.kind, (written.get(item.kind) ?? 0) + item.frame.length)
    } else if (isPacked(item)) {
      entries.push(item)
      for (const { date, in: kind, offset } of item.state?.places ?? [])
        if (date === '') assert.ok(offset < (written.get(kind) ?? 0), `${item.path} came before its bytes`)
    }
  }
  const tar = (kind: Kind) => Buffer.concat(pieces.filter(piece => piece.kind === kind).map(({ frame }) => frame))
  return { pieces, entries, tar }
}

const state = (path: string, rest: Partial<StateEntry> = {}): StateEntry => ({ ...entry(path), ...rest })
const before: Place = { date: 'D', in: 'full', offset: 0 }

function delta(path: string, parts: readonly Uint8Array[], summary: Partial<Summary> = {}): Signed {
  const result = () => ({ sizeBytes: 5, sha256: 'new', copies: 1, ...summary })
  const previous = state(path, { sha256: 'old', places: [before] })
  const body: Body = { form: 'delta', parts, result }
  return { ...entry(path, { sizeBytes: 5 }), change: 'updated', previous, body }
}

const makeItems = () => [directory('.'), file('a', 'aa'), file('b', Buffer.alloc(3000, 'b')), file('c', '')]
stageContract('pack', () => pack({ whole: 'full' }), makeItems, { lookAhead: PACK_PENDING_ENTRIES })

test('an entry comes after the pieces that hold its bytes, at the place that it says', async () => {
  const bodies = Array.from({ length: 60 }, (_, i) => randomBytes(1 + ((i * 77_777) % 400_000), i + 1))
  const entries = bodies.map((body, i) => file(`f${String(i).padStart(2, '0')}`, body))
  const found = await packed(pipe(entries, sign()))
  const full = archiveOf('full', found.tar('full'))
  const sigvault = archiveOf('sigvault', found.tar('sigvault'))
  assert.equal(found.entries.length, bodies.length)
  for (const [i, { path, state: kept }] of found.entries.entries()) {
    const [place] = kept!.places!
    assert.equal(place?.in, 'full')
    const bytes = await bytesOf(tarBody(full, { path, offset: place!.offset, sizeBytes: kept!.sizeBytes }))
    assert.ok(bytes.equals(bodies[i]!))
    assert.equal(kept?.sha256, sha256(bytes))
    assert.equal(kept.signature !== undefined, bytes.length >= 16_384)
    if (kept.signature === undefined) continue
    const { offset } = kept.signature
    const signature = await bytesOf(tarBody(sigvault, { path, offset, sizeBytes: undefined }))
    assert.equal(signature.readUInt32BE(0), 0x72730147)
  }
})

test('frames have at most 1 MiB, and begin with an entry as long as entries fit', async () => {
  const entries = Array.from({ length: 40 }, (_, i) => file(`f${i}`, randomBytes(i * 20_000, i + 1)))
  const { pieces } = await packed(entries)
  assert.ok(pieces.length > 10)
  for (const { frame } of pieces) {
    assert.ok(frame.length <= FRAME_BYTES && frame.length > 0)
    assert.ok('header' in decodeEntryAt(frame))
  }
})

test('a content larger than a frame is cut, and found by its place', async () => {
  const body = randomBytes(3 * FRAME_BYTES + 5, 3)
  const { pieces, entries, tar } = await packed([file('a', 'a'), file('large', body), file('z', 'z')])
  for (const { frame } of pieces) assert.ok(frame.length <= FRAME_BYTES)
  const { path, state: kept } = entries[1]!
  const place = kept!.places![0]!
  const found = await bytesOf(
    tarBody(archiveOf('full', tar('full')), { path, offset: place.offset, sizeBytes: body.length })
  )
  assert.ok(found.equals(body))
})

test('GNU tar and bsdtar list and extract it silently', oracle('tar', 'bsdtar'), async t => {
  const root = temporaryDirectory(t)
  const entries = [
    directory('.'),
    directory('d'),
    file('d/long '.padEnd(150, 'x'), 'long name', { mtimeNs: 1_700_000_000_123_456_789n, uid: 3_000_000 }),
    file('linked', 'shared', { link: 7 }),
    { ...file('linked too', '', { link: 7 }), linkTo: 'linked' },
    entry('symlink', { type: 'symlink', linkname: 'd' }),
    file('z', Buffer.alloc(20_000, 'z'))
  ]
  const { tar } = await packed(pipe(entries as Entry[], sign()))
  for (const kind of ['full', 'sigvault'] as const) writeFileSync(join(root, kind), tar(kind))
  for (const tool of ['tar', 'bsdtar']) {
    for (const kind of ['full', 'sigvault']) {
      const { status, stderr } = spawnSync(tool, ['-tvf', join(root, kind)])
      assert.deepEqual([status, String(stderr)], [0, ''], `${tool} ${kind}`)
    }
    const into = join(root, tool)
    mkdirSync(into)
    const { status, stderr } = spawnSync(tool, ['-xf', join(root, 'full'), '-C', into, '--no-same-owner'])
    assert.deepEqual([status, String(stderr)], [0, ''])
    assert.equal(readFileSync(join(into, 'linked too'), 'utf8'), 'shared')
    assert.equal(statSync(join(into, 'linked too')).ino, statSync(join(into, 'linked')).ino)
    assert.equal(readFileSync(join(into, 'z')).length, 20_000)
  }
})

test('walk or tar, pack and one archive alone make a plain tar', oracle('tar'), async () => {
  const bytes = await bytesOf(pipe([file('a', 'aa'), file('b', '')], pack({ whole: 'full' }), only('full')))
  const { stdout } = spawnSync('tar', ['-t'], { input: bytes })
  assert.equal(String(stdout), 'a\nb\n')
})

test('alone, it reads small files on disk in batches, and makes the tar that it makes behind sign', async t => {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'd'))
  for (let i = 0; i < 600; i++) writeFileSync(join(root, 'd', `f${i}`), randomBytes(i * 7, i + 1))
  writeFileSync(join(root, 'd', 'medium'), randomBytes(BATCHED_FILE_BYTES + 1, 7))
  writeFileSync(join(root, 'large'), randomBytes(PART_BYTES + 1, 8))
  linkSync(join(root, 'd', 'f9'), join(root, 'link'))
  symlinkSync('d/f1', join(root, 'symlink'))
  const tarOf = (stage: Stage<Entry>) => bytesOf(pipe(walk(root), stage, pack({ whole: 'full' }), only('full')))
  const signed = await tarOf(sign())
  const watched = observe<Entry>(() => {})
  const copied = mapEntries<Entry>(entry => ({ ...entry }))
  for (const stage of [watched, copied, compose(filter(createRules()), copied, watched)]) {
    const opened = t.mock.method(DiskContent.prototype, 'open')
    const tar = await tarOf(stage)
    assert.equal(opened.mock.callCount(), 2, 'one is too large, one has a further link')
    opened.mock.restore()
    assert.ok(tar.equals(signed))
  }
})

test('alone, it says what files are when they are read, and ends the run at one that cannot be read', async t => {
  const root = temporaryDirectory(t)
  for (const name of ['a', 'b', 'c']) writeFileSync(join(root, name), name)
  const entries = (await collect(walk(root))).map(entry => ({ ...entry, mode: 0o700 }))
  writeFileSync(join(root, 'b'), 'has grown')
  const { entries: found } = await packed(entries)
  assert.deepEqual(
    found.map(({ state }) => [state?.path, state?.mode, state?.sizeBytes, state?.sha256]),
    [
      ['.', 0o700, undefined, undefined],
      ...['a', 'has grown', 'c'].map((text, i) => ['abc'[i], 0o700, text.length, sha256(Buffer.from(text))])
    ]
  )
  rmSync(join(root, 'b'))
  await assert.rejects(packed(entries), code('IBT_READ_FAILED'))
  symlinkSync('a', join(root, 'b'))
  await assert.rejects(packed(entries), code('IBT_READ_FAILED'))
})

test('a delta goes to its archive with its facts, a whole content to the other', async () => {
  const { entries, tar } = await packed([file('new', 'new'), delta('old', [Buffer.from('delta')])], INCREMENTAL)
  assert.deepEqual(entries[1]?.state?.places, [before, { date: '', in: 'updated', offset: 0, sizeBytes: 5 }])
  const found = decodeEntryAt(tar('updated'))
  assert.ok('header' in found)
  assert.deepEqual(JSON.parse(found.header.comment!), { basis: before, sizeBytes: 5, sha256: 'new' })
  assert.equal(entries[0]?.state?.places?.[0]?.in, 'created')
})

test('a delta of several parts becomes numbered entries that follow each other', oracle('tar'), async () => {
  const parts = [randomBytes(PART_BYTES, 1), randomBytes(PART_BYTES, 2), randomBytes(10, 3)]
  const { entries, tar, pieces } = await packed([delta('p', parts)], INCREMENTAL)
  for (const { frame } of pieces) assert.ok(frame.length <= FRAME_BYTES)
  const { stdout } = spawnSync('tar', ['-t'], { input: tar('updated') })
  assert.equal(String(stdout), 'p/00000001\np/00000002\np/00000003\n')
  const place = entries[0]!.state!.places![1]!
  assert.equal(place.sizeBytes, 2 * PART_BYTES + 10)
  const found = await bytesOf(
    tarBody(archiveOf('updated', tar('updated')), { ...place, path: 'p', sizeBytes: place.sizeBytes })
  )
  assert.ok(found.equals(Buffer.concat(parts)))
})

test('a delta without a COPY begins the chain of its content anew', async () => {
  const { entries } = await packed([delta('p', [Buffer.from('all')], { copies: 0 })], INCREMENTAL)
  assert.deepEqual(entries[0]?.state?.places, [{ date: '', in: 'updated', offset: 0, sizeBytes: 3 }])
})

test('a delta that turns out to change nothing is not stored', async () => {
  const { entries, pieces } = await packed([delta('p', [Buffer.from('copy')], { sha256: 'old' })], INCREMENTAL)
  assert.deepEqual([entries[0]?.change, entries[0]?.state?.places, entries[0]?.storedBytes], ['unchanged', [before], 0])
  assert.deepEqual(pieces, [])
})

test('what is unchanged keeps its places, what is deleted has no state, and neither has bytes', async () => {
  const previous = state('a', { sha256: 'x', places: [before], signature: { date: 'D', offset: 1 } })
  const items: Signed[] = [
    { ...entry('a'), change: 'unchanged', previous },
    { ...previous, path: 'b', change: 'deleted', previous }
  ]
  const { entries, pieces } = await packed(items, INCREMENTAL)
  assert.deepEqual([entries[0]?.state?.places, entries[0]?.state?.signature], [[before], { date: 'D', offset: 1 }])
  assert.equal(entries[1]?.state, undefined)
  assert.deepEqual(pieces, [])
})

test('a body that broke off is not used: new, it is unreadable; old, it is carried', async () => {
  const error = new BackupError('IBT_READ_FAILED', 'broke off')
  const parts = [Buffer.from('abc')]
  const body: Body = {
    form: 'whole',
    sizeBytes: 3,
    parts,
    result: () => ({ sizeBytes: 3, sha256: 'x', copies: 0, error })
  }
  const fresh: Signed = { ...entry('a'), change: 'created', body }
  const { entries } = await packed([fresh, delta('b', parts, { error })], INCREMENTAL)
  assert.deepEqual([entries[0]?.state?.type, entries[0]?.error], ['unreadable', error])
  assert.deepEqual([entries[1]?.state?.carried, entries[1]?.state?.places], [true, [before]])
})

test('a link whose first member was not stored in this run points to where that one is', async () => {
  const items: Signed[] = [
    { ...entry('a', { link: 0 }), change: 'unchanged', previous: state('a', { sha256: 'x', places: [before] }) },
    { ...entry('b', { link: 0 }), change: 'created', linkTo: 'a' }
  ]
  const { entries, pieces } = await packed(items, INCREMENTAL)
  assert.deepEqual(entries[1]?.state?.places, [{ ...before, path: 'a' }])
  assert.equal(entries[1]?.state?.link, entries[0]?.state?.link)
  assert.deepEqual(pieces, [])
})

test('contents that pass by are read before the next item is pulled', async () => {
  const log: string[] = []
  async function* tar() {
    for (const path of ['a', 'b']) {
      log.push(`pull ${path}`)
      yield entry(path, {
        sizeBytes: 1,
        content: {
          async *open() {
            log.push(`read ${path}`)
            yield Buffer.from('x')
          }
        }
      })
    }
  }
  await packed(tar())
  assert.deepEqual(log, ['pull a', 'read a', 'pull b', 'read b'])
})

test('entries wait for their bytes up to a limit', async () => {
  let pulled = 0
  function* many() {
    yield file('a', 'a')
    for (; pulled < PACK_PENDING_ENTRIES * 2; pulled++) yield entry('x', { type: 'socket' })
  }
  for await (const item of pack({ whole: 'full' })(many())) {
    if (isPacked(item)) break
  }
  assert.ok(pulled <= PACK_PENDING_ENTRIES + 1)
})

test('unchanged entries wait for the bytes before them up to a limit of memory', async () => {
  let pulled = 0
  function* many() {
    yield file('a', 'a')
    for (; pulled < 1000; pulled++) yield unchangedLines(FRAME_BYTES) as object as Entry
  }
  for await (const item of pack({ whole: 'full' })(many())) {
    if (isPacked(item)) break
  }
  assert.ok(pulled > 1 && pulled * 2 * FRAME_BYTES <= PACK_PENDING_BYTES + 2 * FRAME_BYTES, `${pulled} items`)
})

test('a size that does not hold is refused', async () => {
  const body = content(Buffer.from('abc'))
  for (const sizeBytes of [2, 4])
    await assert.rejects(packed([entry('f', { sizeBytes, content: body })]), code('IBT_FILE_CHANGED'))
  const result = () => ({ sizeBytes: 4, sha256: sha256(Buffer.from('abc')), copies: 0 })
  const signed: Signed = {
    ...entry('f', { sizeBytes: 3 }),
    change: 'created',
    body: { form: 'whole', sizeBytes: 3, parts: [Buffer.from('abc')], result }
  }
  await assert.rejects(packed([signed]), { code: 'IBT_FILE_CHANGED', path: 'f' })
})

test('options that make no sense are refused', async () => {
  assert.throws(() => pack({} as PackOptions), TypeError)
  await assert.rejects(packed([delta('p', [Buffer.from('d')])]), TypeError)
  assert.deepEqual(await collect(pack({ whole: 'full' })([])), [])
})

test('an abort is noticed while a content is parked', { timeout: 300_000 }, async () => {
  for (const size of [20, PART_BYTES * 2]) {
    const controller = new AbortController()
    const reason = new Error('enough')
    const content = parkedContent(size / 2 + 1, () => controller.abort(reason))
    const parked = entry('f', { sizeBytes: size, content })
    const run = collect(pipe([parked], pack({ whole: 'full' }), { signal: controller.signal }))
    await assert.rejects(run, error => error === reason)
  }
})
