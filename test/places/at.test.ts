import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAt } from '../../src/places/at.js'
import { code } from '../helpers/entries.js'

const DAY_MS = 86_400_000

test('no time and the latest are the newest', async () => {
  assert.equal(await parseAt(undefined), undefined)
  assert.equal(await parseAt('latest'), undefined)
})

test('dates of every form are the same time', async () => {
  const ms = Date.UTC(2026, 10, 1, 12, 30, 15, 7)
  const forms = [new Date(ms), '20261101T123015.007Z', '2026-11-01T12:30:15.007Z', '2026-11-01T13:30:15.007+01:00']
  for (const at of forms) assert.equal(await parseAt(at), ms, String(at))
})

test('words are times before now', async () => {
  const nowMs = Date.now()
  for (const [words, agoMs] of [
    ['3 days ago', 3 * DAY_MS],
    ['5 minutes ago', 300_000],
    [' yesterday ', DAY_MS]
  ] as const) {
    const ms = await parseAt(words)
    // Days are the calendar's: one of them may have 23 or 25 hours.
    assert.ok(Math.abs(nowMs - agoMs - ms!) < 7_200_000, `${words}: ${new Date(ms!).toISOString()}`)
  }
})

test('what is no time is refused', async () => {
  const days = ['2026-13-45', '2026-02-30', '2026-02-30T12:00', '2026-11-20 to 2026-11-22']
  for (const at of ['', 'whenever', 'tuesday 5', '2026-11-23 banana', ...days, new Date(Number.NaN)]) {
    await assert.rejects(parseAt(at), RangeError, String(at))
  }
  await assert.rejects(parseAt('20261350T000000.000Z'), code('IBT_NAME_INVALID'))
})
