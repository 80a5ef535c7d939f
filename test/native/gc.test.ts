import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  createPatcher,
  createScanner,
  listDirectory,
  loadSignature,
  patchBytes,
  readFiles,
  returnFreedMemory
} from '../../src/native.js'
import { randomBytes, temporaryDirectory, terminated } from './tree.js'

const gc = globalThis.gc
const NEEDS_GC = gc === undefined ? { skip: 'Node was started without --expose-gc' } : {}

async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    gc?.()
    await setImmediate()
  }
}

test('jobs keep what they work on alive', NEEDS_GC, async () => {
  const bytes = randomBytes(4 << 20, 8)
  const expected = createHash('sha256').update(bytes).digest()
  const jobs = Array.from({ length: 24 }, async () => {
    const scanner = createScanner({ sign: true })
    // Nothing but the job refers to the copy.
    const update = scanner.update(Buffer.from(bytes))
    gc?.()
    await update
    const { sha256, signature } = await scanner.finish()
    const load = loadSignature(Buffer.from(signature))
    gc?.()
    assert.ok((await load).blocks > 0)
    return sha256
  })
  for (const sha256 of await Promise.all(jobs)) assert.ok(sha256.equals(expected))
})

test('objects that nobody waits for are collected while their jobs run', NEEDS_GC, async () => {
  for (let i = 0; i < 20; i++) {
    createScanner({ sign: true }).update(randomBytes(1 << 20, i + 1))
    const patcher = createPatcher(Buffer.alloc(100_000))
    patcher.push(Buffer.from([0x72, 0x73, 0x02, 0x36, 0x46, 0, 0, 0xff, 0xff, 0]))
    patcher.pull(100_000).catch(() => {})
    gc?.()
  }
  await collect()
})

test('a scanner keeps its basis', NEEDS_GC, async () => {
  const basis = randomBytes(1 << 20, 3)
  const signer = createScanner({ sign: true })
  await signer.update(basis)
  const scanner = createScanner({ basis: await loadSignature((await signer.finish()).signature) })
  await collect()
  const start = await scanner.update(basis)
  const { copiedBytes, delta } = await scanner.finish()
  assert.equal(copiedBytes, basis.length)
  assert.ok((await patchBytes(basis, Buffer.concat([start, delta]), basis.length)).equals(basis))
})

test('results outlive their jobs, and memory is given back', NEEDS_GC, async t => {
  const directory = temporaryDirectory(t)
  const body = randomBytes(1 << 20, 12)
  writeFileSync(join(directory, 'file'), body)
  const root = Buffer.from(directory)
  const options = { signMinBytes: 1, blockLenMin: 0, strongLen: 32, racyMs: 0 }
  const slab = Buffer.allocUnsafeSlow(16 << 20)
  const fresh = Buffer.allocUnsafeSlow(1 << 20)
  const kept = await readFiles(root, terminated(['file']), 1, fresh, options)
  const names = terminated(Array(16).fill('file'))
  const round = async () => {
    for (let i = 0; i < 20; i++) await readFiles(root, names, 16, slab, options)
    for (let i = 0; i < 200; i++)
      await listDirectory(root, '.', { capture: [Buffer.from('file')], captureMaxBytes: 1 << 20 })
    await collect()
  }
  // Else the C library keeps some of what the addon has freed.
  returnFreedMemory()
  await round()
  const before = process.memoryUsage()
  await round()
  await round()
  const after = process.memoryUsage()
  assert.ok(after.arrayBuffers <= before.arrayBuffers + (16 << 20), `${before.arrayBuffers} to ${after.arrayBuffers}`)
  // One round makes 500 MiB.
  assert.ok(after.rss < before.rss + (200 << 20), `${before.rss} to ${after.rss}`)
  assert.ok(fresh.equals(body))
  assert.ok(createHash('sha256').update(body).digest().equals(kept.sha256))
})
