import assert from 'node:assert/strict'
import type { ByteRange } from '../../types.js'
import { toBytes } from '../hand-source.js'
import { type Checks, names, read } from './checks.js'

/** What a store promises who reads from it. */
export const READ_CHECKS: Checks = {
  'gives back what was put, also nothing at all and more than one chunk': async store => {
    for (const content of [[], [''], ['a'], ['ab', '', 'c'], ['x'.repeat(1_048_577), 'y'.repeat(1_500_000)]]) {
      await store.put('name', content.map(toBytes))
      assert.equal(await read(store, 'name'), content.join(''))
      assert.deepEqual(await names(store), [['name', content.join('').length]])
    }
  },

  'gives any range, and up to the end where a range ends behind it': async store => {
    await store.put('name', ['0123', '456789'].map(toBytes))
    const ranges: readonly (readonly [ByteRange, string])[] = [
      [{ start: 0 }, '0123456789'],
      [{ start: 3 }, '3456789'],
      [{ start: 9 }, '9'],
      [{ start: 10 }, ''],
      [{ start: 11 }, ''],
      [{ start: 0, end: 0 }, ''],
      [{ start: 0, end: 1 }, '0'],
      [{ start: 3, end: 5 }, '34'],
      [{ start: 9, end: 10 }, '9'],
      [{ start: 8, end: 99 }, '89'],
      [{ start: 50, end: 99 }, '']
    ]
    for (const [range, expected] of ranges) assert.equal(await read(store, 'name', range), expected)
  },

  'refuses an invalid range': async store => {
    await store.put('name', [toBytes('abc')])
    for (const range of [{ start: -1 }, { start: 0.5 }, { start: 2, end: 1 }]) {
      await assert.rejects(read(store, 'name', range), RangeError)
    }
  },

  'gives memory of its own: a reader may write to it': async store => {
    await store.put('name', [toBytes('abc')])
    for await (const chunk of store.get('name')) chunk.fill(0)
    assert.equal(await read(store, 'name'), 'abc')
  },

  'says in its error that a name is missing': async store => {
    const missing = (error: unknown) => {
      const { code, path } = error as { code?: unknown; path?: unknown }
      return code === 'IBT_NOT_FOUND' && path === 'missing'
    }
    await assert.rejects(read(store, 'missing'), missing)
    await store.put('other', [toBytes('x')])
    await assert.rejects(read(store, 'missing', { start: 0, end: 1 }), missing)
  },

  'closes what it reads when the reader stops': async store => {
    await store.put('name', [toBytes('x'.repeat(3_000_000))])
    for (let i = 0; i < 50; i++) {
      for await (const chunk of store.get('name')) {
        assert.ok(chunk.length > 0)
        break
      }
    }
    await store.delete('name')
    assert.deepEqual(await names(store), [])
  }
}
