import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, formatCount, formatSeconds, parseSize } from '../../src/cli/format.js'

test('bytes have three digits that matter, also where they are rounded up to the next unit', () => {
  const KIB = 1024
  for (const [bytes, text] of [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '0.977 KiB'],
    [999.4 * KIB, '999 KiB'],
    [999.6 * KIB, '0.976 MiB'],
    [1.5 * KIB ** 3, '1.50 GiB'],
    [123.456, '123 B']
  ] as const) {
    assert.equal(formatBytes(bytes), text)
  }
})

test('a time never has 60 seconds', () => {
  for (const [ms, text] of [
    [0, '0.0 s'],
    [59_940, '59.9 s'],
    [59_960, '1 min 0 s'],
    [119_700, '2 min 0 s'],
    [3_599_000, '59 min 59 s'],
    [3_599_600, '1 h 0 min'],
    [90_061_000, '25 h 1 min']
  ] as const) {
    assert.equal(formatSeconds(ms), text)
  }
})

test('sizes are read with and without units', () => {
  assert.deepEqual(
    ['4096', '500K', '1.5GiB', '2mb', '10 M'].map(parseSize),
    [4096, 512_000, 1_610_612_736, 2_097_152, 10_485_760]
  )
  for (const text of ['', '10X', '-1', '1e3', 'K']) assert.equal(parseSize(text), undefined, text)
})

test('one is no plural', () => {
  assert.deepEqual(
    [0, 1, 2000].map(count => formatCount(count, 'entry', 'entries')),
    ['0 entries', '1 entry', '2,000 entries']
  )
})
