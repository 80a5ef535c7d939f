import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CLOCK_AHEAD_MS } from '../../src/constants.js'
import { formatDate, isDate, nextDate, parseDate } from '../../src/format/dates.js'

const NOW = Date.UTC(2026, 10, 1, 12, 30, 15, 7)

test('a date is written without separators, to the millisecond, in UTC', () => {
  assert.equal(formatDate(NOW), '20261101T123015.007Z')
  assert.equal(parseDate('20261101T123015.007Z'), NOW)
})

test('every time of the years 0 to 9999 comes back, and text sorts as times do', () => {
  const time = fc.integer({ min: Date.parse('0000-01-01T00:00:00Z'), max: Date.UTC(9999, 11, 31, 23, 59, 59, 999) })
  fc.assert(
    fc.property(time, time, (a, b) => {
      assert.equal(parseDate(formatDate(a)), a)
      assert.equal(formatDate(a) < formatDate(b), a < b)
    }),
    { seed: 1 }
  )
})

test('what no calendar has is no date', () => {
  for (const text of [
    '20260229T000000.000Z',
    '20261301T000000.000Z',
    '20261100T000000.000Z',
    '20261101T240000.000Z',
    '20261101T236000.000Z',
    '20261101T235960.000Z',
    '20261101T123015.007',
    '20261101T123015.7Z',
    '20261101t123015.007z',
    '2026-11-01T12:30:15.007Z',
    ' 20261101T123015.007Z',
    '20261101T123015.007Z\n',
    ''
  ]) {
    assert.equal(isDate(text), false, text)
    assert.throws(() => parseDate(text), { code: 'IBT_NAME_INVALID' })
  }
  assert.ok(isDate('20240229T000000.000Z'))
})

test('times outside the years 0 to 9999 are refused', () => {
  for (const ms of [Number.NaN, Number.POSITIVE_INFINITY, Date.UTC(10000, 0), Date.parse('0000-01-01T00:00:00Z') - 1]) {
    assert.throws(() => formatDate(ms), RangeError)
  }
})

test('the next date is now, or one millisecond after the newest if the clock went back', () => {
  assert.equal(nextDate(NOW), formatDate(NOW))
  assert.equal(nextDate(NOW, formatDate(NOW - 5)), formatDate(NOW))
  assert.equal(nextDate(NOW, formatDate(NOW)), formatDate(NOW + 1))
  assert.equal(nextDate(NOW, formatDate(NOW + CLOCK_AHEAD_MS)), formatDate(NOW + CLOCK_AHEAD_MS + 1))
})

test('a newest date more than a day ahead is refused', () => {
  assert.throws(() => nextDate(NOW, formatDate(NOW + CLOCK_AHEAD_MS + 1)), { code: 'IBT_CLOCK' })
})
