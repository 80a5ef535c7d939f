import assert from 'node:assert/strict'
import { closeSync, fstatSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { FILE_DIRTY, openFile, readFiles } from '../../src/native.js'
import { temporaryDirectory, terminated } from './tree.js'

const OPTIONS = { signMinBytes: Number.POSITIVE_INFINITY, blockLenMin: 0, strongLen: 16, racyMs: 0 }

/** Writes a file whole in one call, with one letter and then with another, now and then at rest for a moment. */
const WRITER = `
  const { openSync, writeSync } = require('node:fs')
  const { parentPort, workerData: { path, sizeBytes } } = require('node:worker_threads')
  const fd = openSync(path, 'r+')
  const contents = ['a', 'b'].map(letter => Buffer.alloc(sizeBytes, letter))
  const rest = new Int32Array(new SharedArrayBuffer(4))
  parentPort.postMessage('ready')
  for (let i = 0; ; i++) {
    writeSync(fd, contents[i % 2], 0, sizeBytes, 0)
    if (i % 8 === 0) Atomics.wait(rest, 0, 0, i % 7)
  }
`

async function written(t: TestContext, count: number, sizeBytes: number): Promise<readonly string[]> {
  const root = temporaryDirectory(t)
  const paths = Array.from({ length: count }, (_, i) => join(root, `file-${i}`))
  for (const path of paths) writeFileSync(path, Buffer.alloc(sizeBytes, 'a'))
  // A thread each: more than there are cores, so that some are stopped in the middle of a write.
  for (const path of paths) {
    const worker = new Worker(WRITER, { eval: true, workerData: { path, sizeBytes } })
    t.after(() => worker.terminate())
    await new Promise(resolve => worker.once('message', resolve))
  }
  return [root, ...paths.map((_, i) => `file-${i}`)]
}

const isUniform = (bytes: Uint8Array) => Buffer.from(bytes).equals(Buffer.alloc(bytes.length, bytes[0]))

test('files that are overwritten all the time are whole, or dirty', async t => {
  const [root, ...names] = await written(t, 4, 4 << 20)
  const slab = Buffer.allocUnsafeSlow(24 << 20)
  for (let i = 0; i < 30; i++) {
    const batch = await readFiles(Buffer.from(root!), terminated(names), names.length, slab, OPTIONS)
    for (const [j, flags] of batch.flags.entries()) {
      const content = slab.subarray(batch.offsets[j], batch.offsets[j + 1])
      assert.ok(flags & FILE_DIRTY || isUniform(content), `read ${i} of file ${j}`)
    }
  }
})

test('a large file that is overwritten all the time is whole, or known to have changed since it was opened', async t => {
  const [root, name] = await written(t, 1, 4 << 20)
  const content = Buffer.alloc(4 << 20)
  for (let i = 0; i < 30; i++) {
    const { fd, stat, isSettled } = await openFile(Buffer.from(root!), Buffer.from(name!), 'read')
    const sizeBytes = readSync(fd, content, 0, content.length, 0)
    const isSame = fstatSync(fd, { bigint: true }).ctimeNs === stat.ctimesNs[0]
    closeSync(fd)
    assert.ok(!(isSettled && isSame) || isUniform(content.subarray(0, sizeBytes)), `read ${i}`)
  }
})

test('a file at rest is settled, however new it is', async t => {
  const root = temporaryDirectory(t)
  for (let i = 0; i < 20; i++) {
    writeFileSync(join(root, 'file'), 'new')
    const batch = await readFiles(Buffer.from(root), terminated(['file']), 1, Buffer.alloc(100), OPTIONS)
    assert.equal(batch.flags[0]! & FILE_DIRTY, 0)
    const { fd, isSettled } = await openFile(Buffer.from(root), Buffer.from('file'), 'read')
    closeSync(fd)
    assert.ok(isSettled)
    if (i % 4 === 0) await sleep(1)
  }
})
