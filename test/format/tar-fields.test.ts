import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LONG_FIELD, SHORT_FIELD } from '../../src/format/tar.js'
import {
  LONG_OCTAL_MAX,
  readNumber,
  SHORT_OCTAL_MAX,
  writeAscii,
  writeDecimal,
  writeNumber
} from '../../src/format/tar-fields.js'

function written(length: number, value: number): Buffer {
  const block = Buffer.alloc(length + 2, 0x7e)
  writeNumber(block, 1, length, value)
  assert.deepEqual([block[0], block[length + 1]], [0x7e, 0x7e])
  return block.subarray(1, length + 1)
}

test('numbers are octal up to the limit of the field, then base-256', () => {
  assert.equal(written(SHORT_FIELD, 0).toString('latin1'), '0000000\0')
  assert.equal(written(SHORT_FIELD, SHORT_OCTAL_MAX).toString('latin1'), '7777777\0')
  assert.equal(written(SHORT_FIELD, SHORT_OCTAL_MAX + 1).toString('hex'), '8000000000200000')
  assert.equal(written(LONG_FIELD, LONG_OCTAL_MAX).toString('latin1'), '77777777777\0')
  assert.equal(written(LONG_FIELD, LONG_OCTAL_MAX + 1).toString('hex'), '800000000000000200000000')
  assert.equal(written(LONG_FIELD, -2).toString('hex'), `${'ff'.repeat(11)}fe`)
})

test('every whole number comes back', () => {
  const number = fc.oneof(
    fc.maxSafeInteger(),
    fc.nat(),
    fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 33 - 1, 2 ** 33, -1, Number.MIN_SAFE_INTEGER)
  )
  fc.assert(
    fc.property(number, value => {
      assert.equal(readNumber(written(LONG_FIELD, value), 0, LONG_FIELD, 'size'), value)
    }),
    { seed: 7, numRuns: 3000 }
  )
})

test('digits are written with zeros in front', () => {
  const bytes = Buffer.alloc(10)
  writeDecimal(bytes, 0, 10, 8_589_934_591)
  assert.equal(bytes.toString('latin1'), '8589934591')
  writeDecimal(bytes, 0, 9, 1)
  assert.equal(bytes.toString('latin1', 0, 9), '000000001')
})

test('text is written if it is ASCII and fits', () => {
  const bytes = Buffer.alloc(10)
  assert.equal(writeAscii(bytes, 1, 'abc', 3), 3)
  assert.equal(bytes.toString('latin1', 0, 5), '\0abc\0')
  assert.equal(writeAscii(bytes, 0, 'abcd', 3), -1)
  assert.equal(writeAscii(bytes, 0, 'é', 3), -1)
  assert.equal(writeAscii(bytes, 0, '', 3), 0)
})
