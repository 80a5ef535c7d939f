import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, linkSync, mkdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { FRAME_BYTES, IN_FLIGHT_BYTES, PART_BYTES, RACY_MS } from '../../src/constants.js'
import { BackupError } from '../../src/errors.js'
import { batchesOf } from '../../src/flow/batches.js'
import { pipe } from '../../src/interop/pipe.js'
import { createScanner, patchBytes } from '../../src/native.js'
import { pack } from '../../src/stages/pack.js'
import { type SignOptions, sign } from '../../src/stages/sign.js'
import { walk } from '../../src/stages/walk.js'
import type { Change, Content, Entry, Origins, Place, Signed, StateEntry } from '../../src/types.js'
import {
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

const place: Place = { date: 'D', in: 'full', offset: 0 }
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const patched = (basis: Uint8Array, delta: Uint8Array) => patchBytes(basis, delta, 1e9)

/** Signs, and reads every body when it comes, as `pack` does. */
async function signed(entries: Iterable<Entry> | AsyncIterable<Entry>, options: SignOptions = {}) {
  const found: (Signed & { bytes?: Buffer; summary?: ReturnType<NonNullable<Signed['body']>['result']> })[] = []
  for await (const item of sign(options)(entries)) {
    if (item.body === undefined) found.push(item)
    else {
      const bytes = await bytesOf(item.body.parts)
      found.push({ ...item, bytes, summary: item.body.result() })
    }
  }
  return found
}

async function signatureOf(bytes: Uint8Array): Promise<Uint8Array> {
  const scanner = createScanner({ sizeBytes: bytes.length, sign: true, blockLen: 2048, strongLen: 16 })
  await scanner.update(bytes)
  return (await scanner.finish()).signature
}

/** A file that had other bytes before. */
function updated(now: Entry, before: Uint8Array, previous: Partial<StateEntry> = {}): Change {
  const { content: _, error: __, ...metadata } = now
  const state = { ...metadata, sha256: sha256(before), sizeBytes: before.length, places: [place], ...previous }
  return { ...now, change: 'updated', previous: state, basis: () => signatureOf(before) }
}

async function walked(root: string): Promise<Entry[]> {
  return collect(walk(root))
}

const makeItems = () => [
  directory('.'),
  file('a', 'aa'),
  file('b', Buffer.alloc(20_000, 'b')),
  updated(file('c', 'new'), Buffer.from('old')),
  { ...file('d', 'd'), change: 'unchanged' },
  entry('s', { type: 'symlink', linkname: 'x' })
]
stageContract('sign', () => sign(), makeItems)

test('sign of files on disk keeps the order between batches and all else', async t => {
  const root = temporaryDirectory(t)
  for (let i = 0; i < 700; i++) writeFileSync(join(root, `f${i}`), `body ${i}`)
  const entries = await walked(root)
  const mixed = entries.flatMap((item, i) => (i % 7 === 0 ? [item, { mark: i } as never, file(`x${i}`, 'x')] : [item]))
  const found = await signed(mixed)
  assert.deepEqual(
    found.map(item => item.path ?? item),
    mixed.map(item => item.path ?? item)
  )
  for (const { path, bytes, summary } of found) {
    if (!path?.startsWith('f')) continue
    assert.equal(String(bytes), `body ${path.slice(1)}`)
    assert.equal(summary?.sha256, sha256(bytes!))
  }
})

test('a full has every content whole, with its digest; those of 16 KiB and more a signature', async t => {
  const root = temporaryDirectory(t)
  const sizes = [0, 1, 2047, 2048, 16_383, 16_384, 131_072, 131_073, 5_000_000]
  for (const size of sizes) writeFileSync(join(root, `f${size}`), randomBytes(size, size))
  for (const { path, bytes, body, summary, change } of await signed(await walked(root))) {
    if (path === '.') continue
    const size = Number(path.slice(1))
    assert.deepEqual(bytes, randomBytes(size, size))
    assert.deepEqual([change, body?.form, body?.sizeBytes, summary?.sizeBytes], ['created', 'whole', size, size])
    assert.equal(summary?.sha256, sha256(bytes!))
    assert.equal(summary?.signature !== undefined, size >= 16_384, path)
  }
})

test('signatures are what rdiff takes', oracle('rdiff'), async t => {
  const root = temporaryDirectory(t)
  const before = randomBytes(300_000, 1)
  const after = Buffer.concat([before.subarray(0, 100_000), Buffer.from('edit'), before.subarray(100_000)])
  writeFileSync(join(root, 'f'), before)
  const [, item] = await signed(await walked(root))
  for (const [name, bytes] of Object.entries({ basis: before, new: after, sig: item!.summary!.signature! }))
    writeFileSync(join(root, name), bytes)
  const delta = spawnSync('rdiff', ['delta', join(root, 'sig'), join(root, 'new')], { maxBuffer: 1e8 })
  assert.equal(delta.status, 0, String(delta.stderr))
  assert.ok(delta.stdout.length < 10_000)
  assert.deepEqual(await patched(before, delta.stdout), after)
})

test('the same bytes are touched or unchanged, without a body', async () => {
  const body = Buffer.from('the same')
  const now = file('f', body, { mtimeNs: 5n })
  const [touched, unchanged] = await signed([updated(now, body, { mtimeNs: 1n }), updated(now, body)])
  assert.deepEqual([touched?.change, touched?.body], ['touched', undefined])
  assert.deepEqual([unchanged?.change, unchanged?.body], ['unchanged', undefined])
})

test('a delta is kept if it pays, and makes the new content of the old', async () => {
  const before = randomBytes(200_000, 2)
  const after = Buffer.concat([before, Buffer.from('more')])
  const [item] = await signed([updated(file('f', after), before)])
  assert.equal(item?.body?.form, 'delta')
  assert.ok(item.bytes!.length < 5000)
  assert.deepEqual(await patched(before, item.bytes!), after)
  assert.ok(item.summary!.copies > 0)
  assert.equal(item.summary!.sha256, sha256(after))
  assert.ok(item.summary!.signature)
})

test('a delta that does not pay, has no basis or would be one too many is not made', async () => {
  const before = randomBytes(200_000, 3)
  const other = randomBytes(200_000, 4)
  const small = randomBytes(16_383, 5)
  const after = Buffer.concat([before, Buffer.from('more')])
  const delta = (sizeBytes: number): Place => ({ date: 'E', in: 'updated', offset: 0, sizeBytes })
  const cases: [string, Change, SignOptions?][] = [
    ['nothing in common', updated(file('f', other), before)],
    ['too small', updated(file('f', Buffer.concat([small.subarray(1), Buffer.of(1)])), small)],
    ['basis gone', { ...updated(file('f', after), before), basis: async () => undefined }],
    ['basis damaged', { ...updated(file('f', after), before), basis: async () => Buffer.from('no signature') }],
    ['no signature known', { ...updated(file('f', after), before), basis: undefined }],
    ['share', updated(file('f', after), before), { deltaMaxShare: 0 }],
    ['chain too long', updated(file('f', after), before, { places: [place, delta(1)] }), { chainDeltas: 1 }],
    ['chain too costly', updated(file('f', after), before, { places: [place, delta(200_000)] })]
  ]
  for (const [what, item, options] of cases) {
    const [found] = await signed([item], options)
    assert.deepEqual([found?.body?.form, found?.change], ['whole', 'updated'], what)
  }
})

test('a file that vanished is deleted, or left out if it is new', async t => {
  const root = temporaryDirectory(t)
  for (const name of ['new', 'old', 'stays']) writeFileSync(join(root, name), 'body')
  const [, fresh, old, stays] = await walked(root)
  for (const name of ['new', 'old']) rmSync(join(root, name))
  const found = await signed([fresh!, updated(old!, Buffer.from('before')), stays!])
  assert.deepEqual(
    found.map(({ path, change }) => [path, change]),
    [
      ['old', 'deleted'],
      ['stays', 'created']
    ]
  )
})

test('a file that cannot be read is unreadable, or carried if it was there before', async t => {
  const root = temporaryDirectory(t)
  for (const name of ['d/new', 'd/old', 'e']) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), 'body')
  }
  const entries = await walked(root)
  // Nothing is opened through a link: the same as a file that may not be read, for root, too.
  rmSync(join(root, 'd'), { recursive: true })
  symlinkSync('/', join(root, 'd'))
  const changed = entries.map(item => (item.path === 'd/old' ? updated(item, Buffer.from('b'), { mode: 1 }) : item))
  const [, , fresh, old, last] = await signed(changed)
  assert.deepEqual([fresh?.path, fresh?.type, fresh?.error?.code], ['d/new', 'unreadable', 'IBT_READ_FAILED'])
  assert.deepEqual(
    [old?.path, old?.type, old?.change, old?.carried, old?.mode],
    ['d/old', 'file', 'unchanged', true, 1]
  )
  assert.equal(old?.error?.path, 'd/old')
  assert.equal(String(last?.bytes), 'body')
})

test('a file in the place of a directory that cannot be read is unreadable: the directory is gone', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'f'), 'body')
  const entries = (await walked(root)).map(item =>
    item.path === 'f' ? { ...item, change: 'created', previous: { ...item, type: 'directory' } } : item
  )
  rmSync(join(root, 'f'))
  mkdirSync(join(root, 'f'))
  const [, found] = await signed(entries as Entry[])
  assert.deepEqual([found?.type, found?.carried, found?.error?.code], ['unreadable', undefined, 'IBT_FILE_CHANGED'])
})

test('what became another kind of file is not read', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'f'), 'body')
  const entries = await walked(root)
  rmSync(join(root, 'f'))
  assert.equal(spawnSync('mkfifo', [join(root, 'f')]).status, 0)
  const [, found] = await signed(entries)
  assert.deepEqual([found?.type, found?.error?.code], ['unreadable', 'IBT_FILE_CHANGED'])
})

test('a content is what it is when it is read, and so are its metadata', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'f'), 'short')
  const entries = await walked(root)
  writeFileSync(join(root, 'f'), 'much longer')
  utimesSync(join(root, 'f'), 7, 7)
  const [, found] = await signed(entries)
  assert.deepEqual([String(found?.bytes), found?.sizeBytes, found?.mtimeNs], ['much longer', 11, 7_000_000_000n])
})

test('a file that was changed just now is racy, an old one is not', async t => {
  const root = temporaryDirectory(t)
  const path = join(root, 'new')
  let fresh: Awaited<ReturnType<typeof signed>>[number] | undefined
  // However busy the machine is, it is read while it is young.
  do {
    writeFileSync(path, 'body')
    fresh = (await signed(await walked(root)))[1]
  } while (Date.now() - statSync(path).mtimeMs >= RACY_MS)
  assert.equal(fresh?.summary?.racy, true)
  const old = spawnSync('find', ['/etc/passwd', '-cmin', '+1']).stdout.length > 0
  if (!old) return
  const found = await signed((await walked('/etc')).filter(({ path }) => path === 'passwd'))
  assert.equal(found[0]?.summary?.racy, undefined)
})

test('a large file with a time in the future is not racy for ever', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'large'), randomBytes(PART_BYTES + 1, 6))
  const inAYear = Date.now() / 1000 + 365 * 86_400
  utimesSync(join(root, 'large'), inAYear, inAYear)
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  assert.equal((await signed(await walked(root)))[1]?.summary?.racy, true, 'by its ctime')
  t.mock.timers.tick(60_000)
  assert.ok(!(await signed(await walked(root)))[1]?.summary?.racy)
})

test('a file of more than one part streams', async t => {
  const root = temporaryDirectory(t)
  const size = PART_BYTES + 1
  writeFileSync(join(root, 'large'), randomBytes(size, 6))
  const [, found] = await signed(await walked(root))
  assert.deepEqual([found?.body?.form, found?.summary?.sizeBytes], ['whole', size])
  assert.equal(found?.summary?.sha256, sha256(randomBytes(size, 6)))
  assert.equal(found?.summary?.dirty, undefined)
})

test('a large stream of another size than its entry says is dirty, whether it is stored whole or as a delta', async () => {
  const bytes = randomBytes(PART_BYTES + 1000, 6)
  for (const [sizeBytes, isDirty] of [
    [bytes.length, undefined],
    [bytes.length - 1, true],
    [bytes.length - 600, true]
  ] as const) {
    const pieces: Content = {
      async *open() {
        for (let at = 0; at < bytes.length; at += 500) yield bytes.subarray(at, at + 500)
      }
    }
    const whole = entry('f', { sizeBytes, content: pieces })
    const delta = updated(whole, bytes.subarray(0, 1_000_000))
    for (const item of [whole, delta]) {
      const [found] = await signed([item], { deltaMaxShare: 1 })
      assert.deepEqual([found?.summary?.dirty, found?.summary?.sizeBytes], [isDirty, sizeBytes])
    }
  }
})

test('a large file that grows or shrinks while it streams is dirty and keeps its declared size', async t => {
  const root = temporaryDirectory(t)
  const path = join(root, 'large')
  const size = PART_BYTES * 2 + 5
  for (const change of [() => appendFileSync(path, 'more'), () => writeFileSync(path, 'cut')]) {
    writeFileSync(path, randomBytes(size, 7))
    const [large] = (await walked(root)).slice(1)
    const hash = createHash('sha256')
    for await (const { body } of sign()([large!])) {
      let bytes = 0
      for await (const part of body!.parts) {
        if (bytes === 0) change()
        bytes += part.length
        hash.update(part)
      }
      const { dirty, sizeBytes, sha256: digest } = body!.result()
      assert.deepEqual([dirty, sizeBytes, bytes], [true, size, size])
      assert.equal(digest, hash.digest('hex'))
    }
  }
})

test('a large delta comes in parts', async t => {
  const root = temporaryDirectory(t)
  const before = randomBytes(PART_BYTES * 3, 8)
  const after = Buffer.concat([
    before.subarray(0, PART_BYTES),
    randomBytes(PART_BYTES + 99, 9),
    before.subarray(PART_BYTES)
  ])
  writeFileSync(join(root, 'large'), after)
  const [, large] = await walked(root)
  const parts: Uint8Array[] = []
  for await (const { body } of sign()([updated(large!, before)])) {
    assert.equal(body?.form, 'delta')
    for await (const part of body!.parts) parts.push(part)
    assert.equal(body!.result().sha256, sha256(after))
  }
  assert.ok(parts.length > 1 && parts.every(part => part.length <= PART_BYTES))
  assert.ok((await patched(before, Buffer.concat(parts))).equals(after))
})

test('hard links are read once: the others name the first', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'a'), 'body')
  for (const name of ['b', 'c']) linkSync(join(root, 'a'), join(root, name))
  const [, a, b, c] = await signed(await walked(root))
  assert.equal(String(a?.bytes), 'body')
  assert.deepEqual([b?.linkTo, b?.body, c?.linkTo, c?.body], ['a', undefined, 'a', undefined])
})

test('a further link is read if the first could not be', async t => {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'd'))
  writeFileSync(join(root, 'd/a'), 'body')
  linkSync(join(root, 'd/a'), join(root, 'e'))
  const entries = await walked(root)
  rmSync(join(root, 'd'), { recursive: true })
  const found = await signed(entries)
  const e = found.find(({ path }) => path === 'e')
  assert.deepEqual([e?.linkTo, String(e?.bytes)], [undefined, 'body'])
})

test('contents that are not on disk are read in their turn and never ahead', async () => {
  let current: object | undefined
  const log: string[] = []
  function sequential(path: string, ...chunks: string[]): Content {
    return {
      async *open() {
        for (const chunk of chunks) {
          assert.equal(current, this)
          log.push(`${path}:${chunk}`)
          yield Buffer.from(chunk)
        }
      }
    }
  }
  async function* tar() {
    for (const path of ['a', 'b', 'c']) {
      const passing = sequential(path, '1', '2')
      current = passing
      log.push(`pull ${path}`)
      yield entry(path, { sizeBytes: 2, content: passing })
      current = undefined
    }
  }
  const found = await signed(tar())
  assert.deepEqual(
    found.map(({ bytes }) => String(bytes)),
    ['12', '12', '12']
  )
  assert.deepEqual(log.slice(0, 4), ['pull a', 'a:1', 'a:2', 'pull b'])
})

test('a content of unknown size is held up to one part, and refused beyond without a basis', async () => {
  const small = entry('small', { content: content(Buffer.from('a'), Buffer.from('b')) })
  const [found] = await signed([small])
  assert.deepEqual([found?.sizeBytes, String(found?.bytes)], [2, 'ab'])
  const large = entry('large', { content: content(randomBytes(PART_BYTES, 1), Buffer.from('a')) })
  await assert.rejects(signed([large]), code('IBT_SIZE_UNKNOWN'))
})

test('a content of unknown size with a basis becomes a delta', async () => {
  const before = randomBytes(PART_BYTES + 1000, 10)
  const after = Buffer.concat([before, Buffer.from('end')])
  const chunks = [after.subarray(0, PART_BYTES), after.subarray(PART_BYTES)]
  const now = entry('f', { content: content(...chunks) })
  const [found] = await signed([updated(now, before)])
  assert.equal(found?.body?.form, 'delta')
  assert.ok((await patched(before, found.bytes!)).equals(after))
})

test('an entry whose content fails is unreadable, one that streams tells it in its result', async () => {
  const broken = new Error('broken')
  async function* failing(bytes: number) {
    yield Buffer.alloc(bytes)
    throw broken
  }
  const small = entry('f', { sizeBytes: 20, content: { open: () => failing(10) } })
  const large = entry('f', { sizeBytes: PART_BYTES * 2, content: { open: () => failing(PART_BYTES + 1) } })
  const [unreadable] = await signed([small])
  assert.equal(unreadable?.type, 'unreadable')
  assert.equal(unreadable.error?.cause, broken)
  const [found] = await signed([large])
  assert.ok(found?.summary?.error instanceof BackupError)
  assert.equal(found.bytes?.length, PART_BYTES * 2)
})

test('options that make no sense are refused at the call', () => {
  for (const options of [{ inFlightBytes: 0 }, { strongLen: 33 }, { deltaMaxShare: 2 }, { blockLenMin: 0 }])
    assert.throws(() => sign(options), RangeError)
})

test('an abort ends the reading of files with its reason', async t => {
  const root = temporaryDirectory(t)
  for (let i = 0; i < 600; i++) writeFileSync(join(root, `f${i}`), 'body')
  assert.ok(statSync(root).isDirectory())
  const controller = new AbortController()
  const reason = new Error('enough')
  const found = sign()(await walked(root), { signal: controller.signal })
  await found.next()
  await found.next()
  controller.abort(reason)
  await assert.rejects(collect(found), error => error === reason)
})

test('unchanged entries behind a file that is sought wait up to a limit of memory', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'a'), 'a')
  const [, a] = await walked(root)
  let pulled = 0
  let seen = 0
  let pulledMeanwhile = 0
  const origins: Origins = {
    async ofContent() {
      for (let turn = 0; turn < 200; turn++) await setImmediate()
      pulledMeanwhile = pulled
      assert.equal(seen, 0)
      return undefined
    },
    ofInode: async () => undefined,
    ofName: async () => undefined
  }
  function* many() {
    yield { ...a!, change: 'created' as const }
    for (; pulled < 1000; pulled++) yield unchangedLines(FRAME_BYTES) as object as Entry
  }
  for await (const _ of batchesOf(sign({ origins })(many()))) seen++
  const mostBytes = IN_FLIGHT_BYTES + 4 * FRAME_BYTES
  assert.ok(pulledMeanwhile > 1 && pulledMeanwhile * 2 * FRAME_BYTES <= mostBytes, `${pulledMeanwhile} items`)
  assert.equal(seen, 1001)
})

test('an abort is noticed while a content is parked', { timeout: 300_000 }, async () => {
  for (const size of [20, PART_BYTES * 2]) {
    const controller = new AbortController()
    const reason = new Error('enough')
    const content = parkedContent(size / 2 + 1, () => controller.abort(reason))
    const parked = entry('f', { sizeBytes: size, content })
    const run = collect(pipe([parked], sign(), pack({ whole: 'full' }), { signal: controller.signal }))
    await assert.rejects(run, error => error === reason)
  }
})
