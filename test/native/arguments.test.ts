import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { isBackupError } from '../../src/errors.js'
import { makeHole, shareBlocks } from '../../src/native/share.js'
import {
  createPatcher,
  createScanner,
  deltaFile,
  groupId,
  groupName,
  type LoadedSignature,
  listDirectory,
  loadSignature,
  openFile,
  patchBytes,
  readFiles,
  setJobs,
  signatureFile,
  systemError,
  userId,
  userName
} from '../../src/native.js'

const ROOT = Buffer.from('/')
const SLAB = Buffer.alloc(1)
const OPTIONS = { signMinBytes: 1, blockLenMin: 0, strongLen: 1, racyMs: 0 }
// biome-ignore lint/suspicious/noExplicitAny: wrong arguments are the point
const wrong = (value: unknown) => value as any

test('wrong types are a TypeError', async () => {
  for (const value of [undefined, null, 'text', 7, {}, [1], new Uint16Array(1), new DataView(new ArrayBuffer(1))]) {
    // A number is a descriptor.
    if (value !== 7) await assert.rejects(listDirectory(wrong(value), '.'), TypeError)
    if (typeof value !== 'string') await assert.rejects(listDirectory(ROOT, wrong(value)), TypeError)
    await assert.rejects(listDirectory(ROOT, '.', { capture: [wrong(value)] }), TypeError)
    await assert.rejects(readFiles(ROOT, wrong(value), 1, SLAB, OPTIONS), TypeError)
    await assert.rejects(loadSignature(wrong(value)), TypeError)
    await assert.rejects(createScanner({}).update(wrong(value)), TypeError)
    await assert.rejects(patchBytes(wrong(value), ROOT, 1), TypeError)
    await assert.rejects(patchBytes(ROOT, wrong(value), 1), TypeError)
    assert.throws(() => createPatcher(0).push(wrong(value)), TypeError)
    if (value !== 7) assert.throws(() => createPatcher(wrong(value)), TypeError)
    if (value !== undefined) assert.throws(() => createScanner({ basis: wrong(value) }), TypeError)
  }
  await assert.rejects(listDirectory(ROOT, '.', { capture: wrong('x') }), TypeError)
  await assert.rejects(listDirectory(ROOT, '.', { captureMaxBytes: wrong('0') }), TypeError)
  await assert.rejects(signatureFile(wrong('0'), 1), TypeError)
  await assert.rejects(deltaFile(0, wrong(undefined), 1), TypeError)
  await assert.rejects(openFile(ROOT, ROOT, wrong('append')), TypeError)
  await assert.rejects(shareBlocks({ fd: wrong('0'), at: 0 }, { fd: 0, at: 0 }, 1), TypeError)
  await assert.rejects(makeHole({ fd: 0, at: wrong(undefined) }, 1), TypeError)
  await assert.rejects(signatureFile(0, 1, { weak: wrong('adler') }), TypeError)
  assert.throws(() => createScanner({ strong: wrong('md5') }), TypeError)
  assert.throws(() => createScanner({ sign: wrong(1) }), TypeError)
  assert.throws(() => userName(wrong('root')), TypeError)
  assert.throws(() => userId(wrong(0)), TypeError)
})

test('numbers out of bounds are a RangeError', async () => {
  for (const value of [-2, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    await assert.rejects(listDirectory(ROOT, '.', { captureMaxBytes: value }), RangeError)
    await assert.rejects(listDirectory(ROOT, '.', { belowEntries: value }), RangeError)
    await assert.rejects(readFiles(ROOT, Buffer.from('a\0'), value, SLAB, OPTIONS), RangeError)
    await assert.rejects(signatureFile(value, 1), RangeError)
    for (const range of [
      { fd: value, at: 0 },
      { fd: 0, at: value }
    ]) {
      await assert.rejects(shareBlocks(range, { fd: 0, at: 0 }, 1), RangeError)
      await assert.rejects(shareBlocks({ fd: 0, at: 0 }, range, 1), RangeError)
      await assert.rejects(makeHole(range, 1), RangeError)
    }
    await assert.rejects(shareBlocks({ fd: 0, at: 0 }, { fd: 0, at: 0 }, value), RangeError)
    await assert.rejects(makeHole({ fd: 0, at: 0 }, value), RangeError)
    await assert.rejects(createPatcher(ROOT).pull(value), RangeError)
    assert.throws(() => createScanner({ sign: true, blockLen: value }), RangeError)
    assert.throws(() => createScanner({ sign: true, strongLen: value }), RangeError)
    assert.throws(() => createScanner({ sizeBytes: value }), RangeError)
    assert.throws(() => setJobs(value), RangeError)
    assert.throws(() => userName(value), RangeError)
  }
  await assert.rejects(readFiles(ROOT, Buffer.from('a\0b'), 2, SLAB, OPTIONS), RangeError)
  await assert.rejects(readFiles(ROOT, Buffer.from('a\0'), 2, SLAB, OPTIONS), RangeError)
  assert.throws(() => createScanner({ sign: true, strongLen: 33 }), RangeError)
  assert.throws(() => createScanner({ sign: true, strong: 'md4', strongLen: 17 }), RangeError)
})

test('memory that may go away is refused', async () => {
  const detached = new Uint8Array(100)
  const { port1 } = new MessageChannel()
  port1.postMessage(null, [detached.buffer])
  port1.close()
  const resizable = new Uint8Array(new ArrayBuffer(10, wrong({ maxByteLength: 100 })))
  const shared = new Uint8Array(new SharedArrayBuffer(10))
  for (const bytes of [detached, resizable, shared]) {
    await assert.rejects(createScanner({}).update(bytes), TypeError)
    await assert.rejects(loadSignature(bytes), TypeError)
    await assert.rejects(patchBytes(bytes, ROOT, 1), TypeError)
    await assert.rejects(readFiles(ROOT, bytes, 1, SLAB, OPTIONS), TypeError)
  }
})

test('a refused call leaves a scanner as it was', async () => {
  const scanner = createScanner({})
  await scanner.update(Buffer.from('abc'))
  await assert.rejects(scanner.update(wrong('text')), TypeError)
  await scanner.update(Buffer.from('def'))
  assert.equal((await scanner.finish()).sizeBytes, 6)
})

test('a signature is known by identity', async () => {
  const signer = createScanner({ sign: true })
  const signature = await loadSignature((await signer.finish()).signature)
  assert.equal(signature.blocks, 0)
  const copy: LoadedSignature = { ...signature }
  assert.throws(() => createScanner({ basis: copy }), TypeError)
  assert.ok(createScanner({ basis: signature }))
})

test('the number of threads is fixed by the first job', async () => {
  const signer = createScanner({})
  await signer.finish()
  assert.throws(
    () => setJobs(77),
    error => isBackupError(error) && error.code === 'IBT_NATIVE'
  )
})

test('users and groups are looked up by name and number', () => {
  assert.equal(userName(0), 'root')
  assert.equal(userId('root'), 0)
  assert.equal(groupId(groupName(0)!), 0)
  assert.equal(userName(3_999_999_999), undefined)
  assert.equal(groupName(3_999_999_999), undefined)
  assert.equal(userId('no such user'), undefined)
  assert.equal(groupId('no such group'), undefined)
})

test('system errors look like those of node:fs', () => {
  const error = systemError(2, 'open', 'a\nb')
  assert.deepEqual([error.code, error.errno, error.syscall, error.path], ['ENOENT', -2, 'open', 'a\nb'])
  assert.equal(error.message, 'ENOENT: no such file or directory, open "a\\nb"')
  assert.equal(systemError(9999, 'read').errno, -9999)
})
