import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeRule, type KeepOptions, parseRules } from '../../src/retention/rules.js'

const words = (options: KeepOptions) => parseRules(options).map(describeRule)

test('every word is understood, as a number, as all and as a time', () => {
  const options = { keepLast: 3, keepHourly: '24', keepDaily: '7d', keepMonthly: 12, keepYearly: 'all', keepFull: 2 }
  assert.deepEqual(words(options), ['3 last', '24 hourly', 'all of 7d daily', '12 monthly', 'all yearly', '2 full'])
  assert.deepEqual(words({ keepWeekly: 4, keep13Weekly: 8 }), ['4 weekly', '8 13weekly'])
  assert.deepEqual(words({ keep3Monthly: -1 }), ['all 3monthly'])
  assert.deepEqual(words({ keepYearly: 'unlimited' }), ['all yearly'])
  assert.deepEqual(words({ keepWithin: '1y6m' }), ['all of 1y6m'])
})

test('short forms say the same', () => {
  assert.deepEqual(words({ keep: ['5', '10d', '13weekly', '12monthly', '2full'] }), [
    ...['5 last', 'all of 10d', '13 weekly', '12 monthly', '2 full']
  ])
  assert.deepEqual(words({ keep: 4 }), ['4 last'])
  assert.deepEqual(words({ keep: ['-1daily'] }), ['all daily'])
})

test('a rule of 0 is no rule, and without any rule nothing is pruned', () => {
  assert.deepEqual(words({ keepHourly: 0, keepDaily: 7 }), ['7 daily'])
  for (const options of [{}, { keepDaily: 0 }, { keepDaily: '0', keepLast: 0 }, { keep: [] }, { timeZone: 'UTC' }]) {
    assert.throws(() => parseRules(options), /No rule keeps anything/)
  }
})

test('what is not a number, all or a time is refused', () => {
  for (const value of ['-2', '1.5', 'x', '', '10', '10M', '1d1d', '0d', '7 d', 'd', '12345678'].filter(
    v => v !== '10'
  )) {
    assert.throws(() => parseRules({ keepDaily: value }), RangeError, value)
  }
  assert.throws(() => parseRules({ keepWithin: '10' }), /is not a time/)
  assert.throws(() => parseRules({ keepFull: '10d' }), RangeError)
  assert.throws(() => parseRules({ keep: ['7 daily'] }), RangeError)
  assert.throws(() => parseRules({ keep: ['7secondly'] }), RangeError)
})

test('words that are given twice, contradict or add nothing are refused', () => {
  const redundant: readonly KeepOptions[] = [
    { keepLast: 3, keep: '5' },
    { keepWithin: '10d', keep: '11d' },
    { keepDaily: 7, keep: ['7daily'] },
    { keep13Weekly: 4, keep3Monthly: 4 },
    { keepLast: 'all', keepDaily: 7 },
    { keepDaily: 'all', keepWeekly: 4 },
    { keepMonthly: -1, keepYearly: 3 },
    { keepWithin: '30d', keepDaily: '7d' },
    { keepDaily: '6m', keepWeekly: '5m' }
  ]
  for (const options of redundant) assert.throws(() => parseRules(options), RangeError, JSON.stringify(options))
  const useful: readonly KeepOptions[] = [
    { keepLast: 3, keepWithin: '10d' },
    { keepWithin: '7d', keepDaily: '30d' },
    { keepWeekly: 'all', keepMonthly: 12 },
    { keepDaily: 7, keepWeekly: 4, keepMonthly: 12, keepYearly: 'all', keepFull: 3 },
    { keepDaily: 7, keepWeekly: '4w' }
  ]
  for (const options of useful) assert.ok(parseRules(options).length > 1)
})
