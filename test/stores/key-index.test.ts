import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyIndex } from '../../src/stores/key-index.js'

test('all values of a key are found, and few others', () => {
  const index = new KeyIndex()
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
  const index = new KeyIndex()
  index.add(-1, 0)
  index.add(0xffff_ffff, 0xffff_fffe)
  index.add(7, 0xffff_ffff)
  assert.deepEqual([...index.find(0xffff_ffff)].sort(), [0, 0xffff_fffe])
  assert.deepEqual([...index.find(-1)].sort(), [0, 0xffff_fffe])
  assert.deepEqual([...index.find(7)], [])
})
