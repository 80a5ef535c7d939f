import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import { freeAll } from '../../src/flow/free-memory.js'

test('memory of its own is given back at once, and what shares a buffer is left alone', () => {
  const cipher = createCipheriv('chacha20-poly1305', Buffer.alloc(32), Buffer.alloc(12), { authTagLength: 16 })
  const made = cipher.update(Buffer.alloc(100_000))
  const [pooled, block] = [Buffer.from('pooled'), new Uint8Array(100)]
  freeAll([made, pooled, block.subarray(10), new Uint8Array(0)])
  assert.equal(made.buffer.byteLength, 0)
  assert.deepEqual([pooled.toString(), block.length], ['pooled', 100])
  freeAll([])
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 1000; i++) freeAll([new Uint8Array(1 << 20)])
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20)
})
