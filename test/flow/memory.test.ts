import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Memory } from '../../src/flow/memory.js'
import { pack } from '../../src/stages/pack.js'
import { sign } from '../../src/stages/sign.js'
import { walk } from '../../src/stages/walk.js'
import { isPiece } from '../../src/types.js'
import { temporaryDirectory } from '../native/tree.js'

test('a buffer is used again when its last user is done with it, and not before', () => {
  const memory = new Memory()
  const first = memory.take(1000)
  memory.lend(first, 2)
  memory.done(first.subarray(10, 20))
  assert.notEqual(memory.take(1000).buffer, first.buffer)
  memory.done(first)
  memory.done(first)
  assert.equal(memory.take(900).buffer, first.buffer)
  assert.notEqual(memory.take(900).buffer, first.buffer)
})

test('the smallest buffer that fits is taken, and none that is far too large', () => {
  const memory = new Memory()
  const [small, large] = [memory.take(1000), memory.take(3000)]
  for (const buffer of [large, small]) memory.lend(buffer, 0)
  assert.equal(memory.take(10).buffer === small.buffer, false)
  assert.equal(memory.take(500).buffer, small.buffer)
  assert.equal(memory.take(1001).buffer, large.buffer)
})

test('bytes of others are not taken', () => {
  const memory = new Memory()
  const foreign = Buffer.alloc(100)
  memory.done(foreign)
  assert.notEqual(memory.take(100).buffer, foreign.buffer)
})

test('stages that share no memory never use bytes again', async t => {
  const root = temporaryDirectory(t)
  for (let i = 0; i < 600; i++) writeFileSync(join(root, String(i)), String(i).repeat(2000))
  const frames: { frame: Uint8Array; copy: Uint8Array }[] = []
  for await (const item of pack({ whole: 'full' })(sign()(walk(root)))) {
    if (isPiece(item)) frames.push({ frame: item.frame, copy: Uint8Array.from(item.frame) })
  }
  assert.ok(frames.length > 1)
  for (const { frame, copy } of frames) assert.ok(Buffer.compare(frame, copy) === 0)
})
