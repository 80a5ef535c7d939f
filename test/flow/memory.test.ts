import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBatch } from '../../src/flow/batches.js'
import { Pool } from '../../src/flow/memory.js'
import { pack } from '../../src/stages/pack.js'
import { sign } from '../../src/stages/sign.js'
import { walk } from '../../src/stages/walk.js'
import { batches, isPiece } from '../../src/types.js'
import { temporaryDirectory } from '../native/tree.js'

test('memory is used again when it is released, once, and not before', () => {
  const pool = new Pool()
  const first = pool.lease(1000)
  assert.notEqual(pool.lease(1000).bytes.buffer, first.bytes.buffer)
  first.release()
  first.release()
  assert.equal(pool.lease(900).bytes.buffer, first.bytes.buffer)
  assert.notEqual(pool.lease(900).bytes.buffer, first.bytes.buffer)
})

test('memory that somebody keeps is never used again', () => {
  const pool = new Pool()
  const kept = pool.lease(1000)
  kept.keep()
  kept.release()
  assert.notEqual(pool.lease(1000).bytes.buffer, kept.bytes.buffer)
})

test('the smallest memory that fits is taken, and none that is far too large', () => {
  const pool = new Pool()
  const [small, large] = [pool.lease(1000), pool.lease(3000)]
  for (const lease of [large, small]) lease.release()
  assert.equal(pool.lease(10).bytes.buffer === small.bytes.buffer, false)
  assert.equal(pool.lease(500).bytes.buffer, small.bytes.buffer)
  assert.equal(pool.lease(1001).bytes.buffer, large.bytes.buffer)
})

for (const inBatches of [false, true]) {
  const how = inBatches ? 'that are taken out of batches and kept' : 'that come one by one'
  test(`bytes of pieces ${how} are never written to again`, async t => {
    const root = temporaryDirectory(t)
    for (let i = 0; i < 600; i++) writeFileSync(join(root, String(i)), String(i).repeat(2000))
    const frames: { frame: Uint8Array; copy: Uint8Array }[] = []
    const packed = pack({ whole: 'full' })(sign()(walk(root)))
    for await (const item of inBatches ? (packed as never as { [batches](): typeof packed })[batches]() : packed) {
      if (isBatch(item)) item.keep?.()
      for (const single of isBatch(item) ? [...item] : [item]) {
        if (isPiece(single)) frames.push({ frame: single.frame, copy: Uint8Array.from(single.frame) })
      }
    }
    assert.ok(frames.length > 1)
    for (const { frame, copy } of frames) assert.ok(Buffer.compare(frame, copy) === 0)
  })
}

test('memory of pieces that are given back is used again', async t => {
  const root = temporaryDirectory(t)
  for (let i = 0; i < 600; i++) writeFileSync(join(root, String(i)), String(i).repeat(2000))
  const packed = pack({ whole: 'full' })(sign()(walk(root))) as never as { [batches](): AsyncGenerator<object> }
  const buffers = new Set<ArrayBufferLike>()
  let pieces = 0
  for await (const item of packed[batches]()) {
    if (!isBatch(item)) continue
    for (const single of item as Iterable<object>) {
      if (!isPiece(single)) continue
      pieces++
      buffers.add(single.frame.buffer)
    }
    item.release?.()
  }
  assert.ok(buffers.size < pieces, `${buffers.size} buffers for ${pieces} pieces`)
})
