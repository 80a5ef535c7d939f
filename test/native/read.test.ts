import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import {
  type BatchOptions,
  FILE_DIRTY,
  FILE_NOT_REGULAR,
  FILE_RACY,
  FILE_TOO_LARGE,
  openFile,
  readFiles
} from '../../src/native.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory, terminated } from './tree.js'

const OPTIONS = { signMinBytes: Number.POSITIVE_INFINITY, blockLenMin: 0, strongLen: 32, racyMs: 0 }

interface ReadOptions extends Partial<BatchOptions> {
  readonly slabBytes?: number
}

/** Reads into a slab of its own; gives what has been written of it, too. */
async function read(
  root: string,
  names: (string | Uint8Array)[],
  { slabBytes = 1 << 22, ...options }: ReadOptions = {}
) {
  const slab = Buffer.allocUnsafeSlow(slabBytes)
  const all = { ...OPTIONS, ...options }
  const batch = await readFiles(Buffer.from(root), terminated(names), names.length, slab, all)
  return { ...batch, slab: slab.subarray(0, batch.offsets.at(-1)) }
}

const { ENOENT, ELOOP } = constants.errno

test('each file comes with its bytes, SHA-256 and metadata', async t => {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'deep/er'), { recursive: true })
  const lengths = [0, 1, 511, 4096, 65_537, 1 << 20]
  const bodies = lengths.map(length => randomBytes(length, length + 1))
  const names = lengths.map(length => `deep/er/file-${length}`)
  for (const [i, name] of names.entries()) writeFileSync(join(root, name), bodies[i]!)
  const batch = await read(root, names)
  assert.equal(batch.count, lengths.length)
  for (const [i, body] of bodies.entries()) {
    assert.ok(batch.slab.subarray(batch.offsets[i], batch.offsets[i + 1]).equals(body))
    const digest = createHash('sha256').update(body).digest()
    assert.ok(batch.sha256.subarray(32 * i, 32 * i + 32).equals(digest))
    assert.equal(batch.sizes[i], body.length)
    assert.equal(batch.inos[i], lstatSync(join(root, names[i]!), { bigint: true }).ino)
  }
  assert.ok(batch.flags.every(flag => (flag & ~FILE_RACY) === 0))
  assert.equal(batch.signatures.length, 0)
})

test('names are bytes', async t => {
  const root = temporaryDirectory(t)
  const names = [Buffer.from([0xff, 0x0a, 0xc3]), Buffer.from('n'.repeat(255)), Buffer.from('\u{1f600}')]
  for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), name)
  const batch = await read(root, names)
  for (const [i, name] of names.entries()) {
    assert.ok(batch.slab.subarray(batch.offsets[i], batch.offsets[i + 1]).equals(name))
  }
})

test('signatures are those of rdiff', oracle('rdiff'), async t => {
  const root = temporaryDirectory(t)
  const lengths = [99, 100, 2047, 2048, 2049, 70_000, 500_000]
  const names = lengths.map(length => `file-${length}`)
  for (const [i, name] of names.entries()) writeFileSync(join(root, name), randomBytes(lengths[i]!, i + 1))
  const batch = await read(root, names, { signMinBytes: 100, blockLenMin: 2048, strongLen: 16 })
  for (const [i, name] of names.entries()) {
    const signature = batch.signatures.subarray(batch.signatureOffsets[i], batch.signatureOffsets[i + 1])
    if (i === 0) {
      assert.equal(signature.length, 0)
      continue
    }
    const rdiff = spawnSync('rdiff', ['-b', '2048', '-S', '16', 'signature', join(root, name), '-'])
    assert.equal(rdiff.status, 0)
    assert.ok(signature.equals(rdiff.stdout), name)
  }
})

test('a signature takes the default block length where it is above the minimum', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'large'), Buffer.alloc(16 << 20))
  const options = { slabBytes: 1 << 25, signMinBytes: 1, blockLenMin: 2048, strongLen: 99 }
  const { signatures } = await read(root, ['large'], options)
  assert.equal(signatures.readUInt32BE(4), 4096)
  assert.equal(signatures.readUInt32BE(8), 32)
})

test('what is no readable regular file is told apart and holds nothing up', oracle('mkfifo'), async t => {
  const root = temporaryDirectory(t)
  spawnSync('mkfifo', [join(root, 'fifo')])
  mkdirSync(join(root, 'directory'))
  symlinkSync('good', join(root, 'link'))
  symlinkSync('.', join(root, 'parent'))
  writeFileSync(join(root, 'large'), Buffer.alloc(101))
  writeFileSync(join(root, 'good'), 'good')
  const names = ['fifo', 'directory', 'link', 'parent/good', 'none', 'large', 'good', '../good']
  const batch = await read(root, names, { slabBytes: 100 })
  const regular = [...batch.flags].map(flag => flag & ~FILE_RACY)
  assert.deepEqual(regular, [FILE_NOT_REGULAR, FILE_NOT_REGULAR, 0, 0, 0, FILE_TOO_LARGE, 0, 0])
  assert.deepEqual([...batch.errnos], [0, 0, ELOOP, ELOOP, ENOENT, 0, 0, constants.errno.EINVAL])
  assert.equal(batch.slab.toString(), 'good')
  assert.equal(batch.sizes[5], 101)
})

test('files that fill a slab to its last byte fit, one byte more does not', async t => {
  const root = temporaryDirectory(t)
  for (const [name, size] of [
    ['a', 60],
    ['b', 41],
    ['c', 40],
    ['d', 0]
  ] as const)
    writeFileSync(join(root, name), Buffer.alloc(size, name))
  const batch = await read(root, ['a', 'b', 'c', 'd'], { slabBytes: 100 })
  assert.deepEqual([...batch.flags], [0, FILE_TOO_LARGE, 0, 0])
  assert.equal(batch.slab.toString(), 'a'.repeat(60) + 'c'.repeat(40))
})

test('a time that is too near proves nothing', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), 'x')
  utimesSync(join(root, 'file'), 1, 1)
  assert.equal((await read(root, ['file'], { racyMs: 60_000 })).flags[0], FILE_RACY)
  assert.equal((await read(root, ['file'], { racyMs: 0 })).flags[0], 0)
})

const WRITER = `
  const { openSync, writeSync } = require('node:fs')
  const { parentPort, workerData } = require('node:worker_threads')
  const fd = openSync(workerData.path, 'r+')
  parentPort.postMessage('ready')
  for (let i = 0; ; i++) writeSync(fd, String(i), (i * 4096) % workerData.size)
`

test('what is read of a file that changes all the time is what its digest says, and sooner or later it is dirty', async t => {
  const root = temporaryDirectory(t)
  const path = join(root, 'file')
  const size = 8 << 20
  writeFileSync(path, Buffer.alloc(size))
  const worker = new Worker(WRITER, { eval: true, workerData: { path, size } })
  try {
    await new Promise(resolve => worker.once('message', resolve))
    // Where the writer gets no processor, the file may be at rest.
    for (let flags = 0; (flags & FILE_DIRTY) === 0; ) {
      const batch = await read(root, ['file'], { slabBytes: size })
      flags = batch.flags[0]!
      assert.equal(batch.slab.length, batch.sizes[0])
      assert.ok(createHash('sha256').update(batch.slab).digest().equals(batch.sha256))
    }
  } finally {
    await worker.terminate()
  }
})

const GROWER = `
  const { appendFileSync } = require('node:fs')
  const { parentPort, workerData } = require('node:worker_threads')
  const chunk = Buffer.alloc(1 << 20)
  parentPort.postMessage('ready')
  for (let i = 0; i < 2000; i++) appendFileSync(workerData.path, chunk.subarray(0, 65536))
`

test('a file that grows past the limit under the read is too large', async t => {
  const root = temporaryDirectory(t)
  const path = join(root, 'file')
  const size = 24 << 20
  writeFileSync(path, Buffer.alloc(size))
  const worker = new Worker(GROWER, { eval: true, workerData: { path } })
  try {
    await new Promise(resolve => worker.once('message', resolve))
    let flags = 0
    // Sooner or later it is above the limit, before or under the read.
    while ((flags & FILE_TOO_LARGE) === 0) {
      const batch = await read(root, ['file'], { slabBytes: size + (1 << 20) })
      flags = batch.flags[0]!
      assert.equal(batch.slab.length, flags & FILE_TOO_LARGE ? 0 : batch.sizes[0])
    }
  } finally {
    await worker.terminate()
  }
})

test('openFile opens beneath the root only', oracle('mkfifo'), async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), 'body')
  symlinkSync('file', join(root, 'link'))
  symlinkSync('.', join(root, 'parent'))
  spawnSync('mkfifo', [join(root, 'fifo')])
  const { fd, stat } = await openFile(Buffer.from(root), Buffer.from('file'), 'read')
  const { closeSync, readFileSync, writeSync } = await import('node:fs')
  assert.equal(readFileSync(fd, 'utf8'), 'body')
  assert.equal(stat.sizes[0], 4)
  closeSync(fd)

  const fails = (path: string, mode: 'read' | 'create', code: string, cause: string) =>
    assert.rejects(openFile(Buffer.from(root), Buffer.from(path), mode), error => {
      const { code: actual, cause: system } = error as Error & { code: string; cause: { code: string } }
      assert.deepEqual([actual, system.code], [code, cause])
      return true
    })
  await fails('link', 'read', 'IBT_READ_FAILED', 'ELOOP')
  await fails('parent/file', 'read', 'IBT_READ_FAILED', 'ELOOP')
  await fails('none', 'read', 'IBT_READ_FAILED', 'ENOENT')
  await fails('parent/new', 'create', 'IBT_WRITE_FAILED', 'ELOOP')
  await fails('file', 'create', 'IBT_WRITE_FAILED', 'EEXIST')
  await fails('link', 'create', 'IBT_WRITE_FAILED', 'EEXIST')
  const made = await openFile(Buffer.from(root), Buffer.from('new'), 'create')
  writeSync(made.fd, 'made')
  closeSync(made.fd)
  assert.equal(lstatSync(join(root, 'new')).mode & 0o7777, 0o600)
  truncateSync(join(root, 'new'))

  const fifo = await openFile(Buffer.from(root), Buffer.from('fifo'), 'read')
  closeSync(fifo.fd)
  assert.equal(fifo.stat.types[0], 1)
})
