import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  allocateBytes,
  composeBytes,
  createPatcher,
  createScanner,
  loadSignature,
  patchBytes,
  readFiles
} from '../../src/native.js'
import { randomBytes, temporaryDirectory, terminated } from './tree.js'

const gc = globalThis.gc
const NEEDS_GC = gc === undefined ? { skip: 'Node was started without --expose-gc' } : {}
const SIZE = 16 << 20

/** Takes the memory away, and has it freed if nothing else holds it. */
function takeAway(bytes: Buffer): void {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
  assert.equal(bytes.length, 0)
  gc?.()
  gc?.()
}

/** A delta with one literal. */
function literalDelta(literal: Buffer): Buffer {
  const head = Buffer.from([0x72, 0x73, 0x02, 0x36, 0x43, 0, 0, 0, 0])
  head.writeUInt32BE(literal.length, 5)
  return Buffer.concat([head, literal, Buffer.from([0])])
}

test('jobs go on with memory that is transferred and freed under them', NEEDS_GC, async () => {
  const content = randomBytes(SIZE, 5)
  const signer = createScanner({ sign: true, blockLen: 512 })
  await signer.update(content)
  const { signature, sha256 } = await signer.finish()
  const delta = literalDelta(content)
  const copyAll = Buffer.from([0x72, 0x73, 0x02, 0x36, 0x4f, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  copyAll.writeUInt32BE(SIZE, 9)
  const own = (bytes: Buffer) => Buffer.from(new Uint8Array(bytes).buffer)
  const scan = async (bytes: Buffer) => {
    const scanner = createScanner({})
    await scanner.update(bytes)
    return (await scanner.finish()).sha256
  }
  const pull = async (bytes: Buffer) => {
    const patcher = createPatcher(bytes)
    patcher.push(copyAll)
    return createHash('sha256')
      .update((await patcher.pull(SIZE))!)
      .digest()
  }
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest()
  const jobs: [Buffer, (bytes: Buffer) => Promise<Buffer | number>, Buffer | number][] = [
    [content, scan, sha256],
    [content, pull, sha256],
    [signature, async bytes => (await loadSignature(bytes)).blocks, SIZE / 512],
    [delta, async bytes => digest(await patchBytes(Buffer.alloc(0), bytes, SIZE)), sha256],
    [delta, async bytes => digest(await composeBytes([bytes], 2 * SIZE)), digest(await composeBytes([delta], 2 * SIZE))]
  ]
  for (const [bytes, start, expected] of jobs) {
    const given = own(bytes)
    const result = start(given)
    // By then the job has begun.
    await setImmediate()
    takeAway(given)
    assert.deepEqual(await result, expected)
  }
})

test('a file is read into memory that is transferred and freed meanwhile', NEEDS_GC, async t => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'file'), randomBytes(SIZE, 6))
  const options = { signMinBytes: 1, blockLenMin: 0, strongLen: 16, racyMs: 0 }
  const slab = Buffer.allocUnsafeSlow(2 * SIZE)
  const result = readFiles(Buffer.from(directory), terminated(['file']), 1, slab, options)
  takeAway(slab)
  await assert.rejects(result, { code: 'IBT_NATIVE', message: /transferred/ })
})

test('memory of the addon is filled and read where it is, and outlives its buffer under a job', NEEDS_GC, async t => {
  const directory = temporaryDirectory(t)
  const content = randomBytes(SIZE, 7)
  writeFileSync(join(directory, 'file'), content)
  const options = { signMinBytes: Number.POSITIVE_INFINITY, blockLenMin: 0, strongLen: 16, racyMs: 0 }
  const digest = createHash('sha256').update(content).digest()
  const slab = allocateBytes(SIZE)
  const names = terminated(['file'])
  const { sha256 } = await readFiles(Buffer.from(directory), names, 1, slab.subarray(0, SIZE), options)
  assert.deepEqual(sha256, digest)
  assert.ok(slab.equals(content))
  for (let i = 0; i < 5; i++) {
    const scanner = createScanner({})
    const scanned = scanner.update(copyInto(allocateBytes(SIZE), content))
    gc?.()
    await scanned
    assert.deepEqual((await scanner.finish()).sha256, digest)
  }
  assert.equal(allocateBytes(0).length, 0)
  assert.throws(() => allocateBytes(-1), RangeError)
  assert.throws(() => allocateBytes(2 ** 32), RangeError)
})

function copyInto(memory: Buffer, content: Buffer): Buffer {
  memory.set(content)
  return memory
}
