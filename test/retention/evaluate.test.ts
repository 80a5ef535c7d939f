import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDate, parseDate } from '../../src/format/dates.js'
import { type DatedBackup, keptBackups } from '../../src/retention/evaluate.js'
import { type KeepOptions, parseRules } from '../../src/retention/rules.js'
import { createRandom } from '../helpers/random.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** A Sunday, the last day of a month. */
const NEWEST = Date.UTC(2026, 4, 31, 22)

/** Backups every so often, the newest last; each `fullEvery`th is a full, the first one too. */
function backups(count: number, stepMs: number, fullEvery = count): DatedBackup[] {
  return Array.from({ length: count }, (_, i) => ({
    date: formatDate(NEWEST - (count - 1 - i) * stepMs),
    kind: i % fullEvery === 0 ? 'full' : 'incremental'
  }))
}

function kept(all: readonly DatedBackup[], options: KeepOptions): [string, readonly string[]][] {
  const zone = { timeZone: 'UTC', ...options }
  return [...keptBackups(all, parseRules(zone), zone)]
}

const days = (all: [string, readonly string[]][]) => all.map(([date]) => `${date.slice(4, 6)}-${date.slice(6, 8)}`)

test('the newest of each period is kept, as many as there are to be, with the reasons', () => {
  const found = kept(backups(60, DAY), { keepDaily: 2, keepWeekly: 3, keepMonthly: 2 })
  assert.deepEqual(found, [
    [formatDate(NEWEST - 31 * DAY), ['monthly 2']],
    [formatDate(NEWEST - 14 * DAY), ['weekly 3']],
    [formatDate(NEWEST - 7 * DAY), ['weekly 2']],
    [formatDate(NEWEST - DAY), ['daily 2']],
    [formatDate(NEWEST), ['newest', 'daily 1', 'weekly 1', 'monthly 1']]
  ])
})

test('a rule that finds fewer periods than it is to keep also keeps the oldest', () => {
  const found = kept(backups(40, DAY), { keepMonthly: 12 })
  assert.deepEqual(found.at(0), [formatDate(NEWEST - 39 * DAY), ['monthly oldest']])
  assert.deepEqual(days(found), ['04-22', '04-30', '05-31'])
  assert.deepEqual(days(kept(backups(40, DAY), { keepMonthly: 2 })), ['04-30', '05-31'])
  assert.deepEqual(days(kept(backups(40, DAY), { keepMonthly: 'all' })), ['04-30', '05-31'])
  assert.deepEqual(kept(backups(1, DAY), { keepMonthly: 12 }), [[formatDate(NEWEST), ['newest', 'monthly 1']]])
})

test('a period without a backup does not count', () => {
  const found = kept(backups(6, 3 * DAY), { keepDaily: 3 })
  assert.deepEqual(days(found), ['05-25', '05-28', '05-31'])
})

test('a time counts back from the newest backup, and a backup of exactly that age goes', () => {
  assert.deepEqual(days(kept(backups(30, DAY), { keepWithin: '3d' })), ['05-29', '05-30', '05-31'])
  assert.equal(kept(backups(30, DAY), { keepWithin: '73h' }).length, 4)
  const [first] = kept(backups(100, DAY), { keepWithin: '1m' })
  assert.equal(first![0], formatDate(parseDate('20260430T220000.000Z') + DAY))
  assert.deepEqual(days(kept(backups(72, HOUR), { keepDaily: '2d' })), ['05-29', '05-30', '05-31'])
  assert.deepEqual(kept(backups(3, DAY), { keep: '2d' }).at(0)![1], ['within 2d'])
})

test('the last ones, and the fulls with all that follows them', () => {
  assert.deepEqual(days(kept(backups(30, DAY), { keepLast: 2 })), ['05-30', '05-31'])
  const found = kept(backups(30, DAY, 10), { keepFull: 2 })
  assert.equal(found.length, 20)
  assert.deepEqual(found.at(0)![1], ['full 2'])
  assert.deepEqual(found.at(-1)![1], ['newest', 'full 1'])
  assert.equal(kept(backups(30, DAY, 10), { keepFull: 9 }).length, 30)
})

test('the newest stays whatever the rules say', () => {
  const found = kept(backups(5, DAY), { keepWithin: '1h' })
  assert.deepEqual(found, [[formatDate(NEWEST), ['newest', 'within 1h']]])
  assert.deepEqual(kept([], { keepLast: 1 }), [])
})

test('weeks begin on Monday, those of ISO 8601, and quarters are of weeks or of months', () => {
  const weekly = kept(backups(20, DAY), { keepWeekly: 'all' })
  assert.deepEqual(days(weekly), ['05-17', '05-24', '05-31'])
  const years = Array.from({ length: 800 }, (_, i) => ({ date: formatDate(NEWEST - i * DAY), kind: 'full' as const }))
  const months = days(kept(years, { keep3Monthly: 5 }))
  assert.deepEqual(months, ['06-30', '09-30', '12-31', '03-31', '05-31'])
  // 2026 has 53 weeks; that of the 28th of December 2025 is the last of 52.
  assert.deepEqual(days(kept(years, { keep13Weekly: 4 })), ['09-28', '12-28', '03-29', '05-31'])
})

test('periods are those of a clock on the wall in the zone that is asked for', () => {
  const late = backups(4, 12 * HOUR)
  assert.deepEqual(days(kept(late, { keepDaily: 'all' })), ['05-30', '05-31'])
  // There, it is past midnight already.
  assert.deepEqual(days(kept(late, { keepDaily: 'all', timeZone: 'Europe/Berlin' })), ['05-30', '05-31', '05-31'])
  assert.throws(() => keptBackups(late, parseRules({ keepLast: 1 }), { timeZone: 'Middle/Earth' }), RangeError)
})

test('the hour that a clock shows twice in autumn is two', () => {
  const twice = [0, 1, 2].map(i => ({ date: formatDate(Date.UTC(2026, 9, 25, i, 30)), kind: 'full' as const }))
  assert.equal(kept(twice, { keepHourly: 'all', timeZone: 'Europe/Berlin' }).length, 3)
})

test('the years from 0 to 9999 have periods', () => {
  for (const date of ['00000101T000000.000Z', '00011231T000000.000Z', '99991231T235959.999Z']) {
    for (const word of ['hourly', 'daily', 'weekly', 'monthly', '13weekly', '3monthly', 'yearly']) {
      const rules = parseRules(
        /^\d/.test(word)
          ? { [`keep${word[0] === '1' ? '13W' : '3M'}${word.slice(word[0] === '1' ? 3 : 2)}`]: 1 }
          : { keep: `1${word}` }
      )
      assert.equal(keptBackups([{ date, kind: 'full' }], rules, { timeZone: 'UTC' }).size, 1)
    }
  }
})

test('to prune again keeps the same, and a day later never what is gone', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = createRandom(seed)
    const options: KeepOptions = {
      keepLast: random.int(3),
      keepDaily: 1 + random.int(9),
      keepWeekly: random.int(6),
      keepMonthly: random.int(14),
      keepYearly: random.int(3)
    }
    const rules = parseRules(options)
    let all: readonly DatedBackup[] = []
    for (let ms = NEWEST - 400 * DAY; ms < NEWEST; ms += DAY * (1 + random.int(4))) {
      all = [...all, { date: formatDate(ms + random.int(20 * HOUR)), kind: 'incremental' }]
      const found = keptBackups(all, rules, { timeZone: 'UTC' })
      all = all.filter(({ date }) => found.has(date))
      const again = [...keptBackups(all, rules, { timeZone: 'UTC' }).keys()]
      assert.deepEqual(
        again,
        all.map(({ date }) => date),
        `seed ${seed}`
      )
    }
    assert.ok(all.length <= 36, `seed ${seed}: ${all.length}`)
  }
})
