import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeRecords, encodeRecord, encodeTime } from '../../src/format/pax.js'
import { Records } from '../../src/format/pax-values.js'
import { RECORDS_BYTES, type TarHeader } from '../../src/format/tar.js'
import { decodeEntryAt } from '../../src/format/tar-decode.js'
import { encodeEntry } from '../../src/format/tar-encode.js'
import { file } from '../helpers/tar-samples.js'

test('the length of a record counts its own digits', () => {
  for (let length = 0; length < 1100; length++) {
    const record = encodeRecord('k', 'v'.repeat(length))
    assert.equal(Number.parseInt(record, 10), record.length)
  }
})

test('records come back in order, the later of two with one key', () => {
  const bytes = Buffer.from(encodeRecord('a', '1=\n2') + encodeRecord('b', '') + encodeRecord('a', '3'), 'latin1')
  assert.deepEqual(
    Array.from(decodeRecords(bytes), ([key, value]) => [key, Buffer.from(value).toString()]),
    [
      ['a', '3'],
      ['b', '']
    ]
  )
})

test('times are seconds and nanoseconds behind one sign', () => {
  assert.equal(encodeTime(-1_500_000_000n), '-1.500000000')
  assert.equal(encodeTime(-1n), '-0.000000001')
  assert.equal(encodeTime(2_000_000_000n), '2')
  const time = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)
  fc.assert(
    fc.property(time, ns => {
      assert.equal(new Records(new Map([['mtime', Buffer.from(encodeTime(ns))]])).time('mtime'), ns)
    }),
    { seed: 8 }
  )
})

test('times of other writers may have fewer or more decimals', () => {
  const time = (text: string) => new Records(new Map([['mtime', Buffer.from(text)]])).time('mtime')
  assert.equal(time('1.5'), 1_500_000_000n)
  assert.equal(time('1.'), 1_000_000_000n)
  assert.equal(time('1.0000000019'), 1_000_000_001n)
})

test('attributes that no reader takes are left out, the entry is not', () => {
  const xattrs = new Map([['user.large', Buffer.alloc(RECORDS_BYTES)]])
  const decoded = decodeEntryAt(encodeEntry(file('x', { xattrs }).header)) as { header: TarHeader }
  assert.equal(decoded.header.xattrs, undefined)
  assert.equal(decoded.header.path, 'x')
})
