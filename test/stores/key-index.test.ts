import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyIndex } from '../../src/stores/key-index.js'

test('all values of a key are found, and few others', () => {
  const index = new KeyIndex(100)
  const keyOf = (i: number) => (Math.imul(i, 2654435761) >>> 8) % 5000
  for (let i = 0; i < 20_000; i++) index.add(keyOf(i), i)
  for (let i = 0; i < 20_000; i += 7) {
    const found = [...index.find(keyOf(i))]
    assert.ok(found.includes(i))
    assert.ok(found.every(value => keyOf(value) === keyOf(i)))
  }
  assert.deepEqual([...index.find(6000)], [])
})

test('keys may be negative or above 2^31, values up to 2^32 - 2', () => {
  const index = new KeyIndex(100)
  index.add(-1, 0)
  index.add(0xffff_ffff, 0xffff_fffe)
  index.add(7, 0xffff_ffff)
  assert.deepEqual([...index.find(0xffff_ffff)].sort(), [0, 0xffff_fffe])
  assert.deepEqual([...index.find(-1)].sort(), [0, 0xffff_fffe])
  assert.deepEqual([...index.find(7)], [])
})

test('of a crowd with one key the first are kept, and others are found beside it', () => {
  const index = new KeyIndex(3)
  for (let i = 0; i < 100_000; i++) index.add(42, i)
  for (let i = 0; i < 5000; i++) index.add(40 + (i % 5), i)
  assert.deepEqual([...index.find(42)].sort(), [0, 1, 2])
  assert.deepEqual([...index.find(43)].sort(), [13, 3, 8])
})
