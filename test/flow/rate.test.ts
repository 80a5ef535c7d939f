import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type RateClock, RateLimiter } from '../../src/flow/rate.js'
import { parseRate } from '../../src/flow/rate-text.js'
import { collect } from '../helpers/entries.js'

/** A clock that moves only while somebody waits. */
class Clock implements RateClock {
  ms = 0
  constructor(readonly start = new Date(2026, 0, 1, 12, 0)) {}
  nowMs(): number {
    return this.ms
  }
  date(): Date {
    return new Date(this.start.getTime() + this.ms)
  }
  async wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    await setImmediate()
    signal?.throwIfAborted()
    this.ms += ms
  }
}

test('bytes pass at the rate, whatever pieces they come in, and a burst is short', async () => {
  for (const piece of [1, 700, 5000, 100_000]) {
    const clock = new Clock()
    const limiter = new RateLimiter(10_000, clock)
    for (let sent = 0; sent < 100_000; sent += piece) await limiter.take(Math.min(piece, 100_000 - sent))
    assert.ok(clock.ms >= 9800 && clock.ms <= 10_001, `${piece}: ${clock.ms} ms`)
  }
})

test('time in which nothing passed gives no burst later', async () => {
  const clock = new Clock()
  const limiter = new RateLimiter(1000, clock)
  clock.ms = 60_000
  await limiter.take(1000)
  assert.ok(clock.ms >= 60_899, `${clock.ms}`)
})

test('all that share a limiter get the rate together, none waits for the end of another', async () => {
  const clock = new Clock()
  const limiter = new RateLimiter(1000, clock)
  const ends: string[] = []
  const send = async (name: string, sizeBytes: number) => {
    await limiter.take(sizeBytes)
    ends.push(name)
  }
  await Promise.all([send('large', 5000), send('small', 500), send('middle', 1000)])
  assert.deepEqual(ends, ['small', 'middle', 'large'])
})

test('another rate counts at certain hours, also when they begin or end in the middle', async () => {
  const night = { bytesPerSecond: 1000, hours: { '22:00-06:00': Infinity, '12:01-12:02': 2000 } }
  const at = (hour: number, minute: number, second = 0) => new Clock(new Date(2026, 0, 1, hour, minute, second))
  for (const [hour, minute, isFree] of [
    [22, 0, true],
    [5, 59, true],
    [6, 0, false],
    [21, 59, false]
  ] as const) {
    const clock = at(hour, minute)
    await new RateLimiter(night, clock).take(10_000)
    assert.equal(clock.ms === 0, isFree, `${hour}:${minute} ${clock.ms}`)
  }
  const clock = at(21, 59, 50)
  await new RateLimiter(night, clock).take(1_000_000)
  assert.ok(clock.ms >= 9900 && clock.ms <= 10_200, `free after ${clock.ms} ms`)
  const twice = at(12, 0, 58)
  await new RateLimiter(night, twice).take(6000)
  assert.ok(twice.ms >= 3800 && twice.ms <= 4100, `${twice.ms} ms`)
})

test('a stream keeps its bytes, large chunks in parts', async () => {
  const chunks = [Buffer.from('ab'), Buffer.alloc(0), Buffer.alloc(5000, 'x')]
  const parts = await collect(new RateLimiter(20_000, new Clock()).limit(chunks))
  assert.ok(Buffer.concat(parts).equals(Buffer.concat(chunks)))
  assert.ok(parts.length > 3 && parts.every(({ length }) => length <= 2000))
  const free = await collect(new RateLimiter(Infinity, new Clock()).limit(chunks))
  assert.equal(free.length, 3)
})

test('an abort ends a wait at once, with its reason, and leaves no timer', async () => {
  const controller = new AbortController()
  const taken = new RateLimiter(1).take(1000, controller.signal)
  await setImmediate()
  const reason = new Error('Enough')
  controller.abort(reason)
  await assert.rejects(taken, error => error === reason)
  assert.deepEqual(
    process.getActiveResourcesInfo().filter(name => name === 'Timeout'),
    []
  )
})

test('a limiter with the clock of the system takes the time', async () => {
  const start = performance.now()
  await new RateLimiter('100 kB/s').take(30_000)
  const ms = performance.now() - start
  assert.ok(ms >= 190, `${ms} ms`)
})

test('rates are read as people write them', () => {
  const plain: readonly (readonly [string, number])[] = [
    ['2M', 2e6],
    ['500 kB/s', 5e5],
    ['1.5 MiB/s', 1.5 * 1024 ** 2],
    ['100', 100],
    ['1g', 1e9],
    ['Unlimited', Infinity]
  ]
  for (const [text, bytesPerSecond] of plain) assert.deepEqual(parseRate(text), { bytesPerSecond }, text)
  assert.deepEqual(parseRate('22:00-06:00 unlimited, 12:00-13:00 500k, else 2 MB/s'), {
    bytesPerSecond: 2e6,
    hours: { '22:00-06:00': Infinity, '12:00-13:00': 5e5 }
  })
  for (const text of [
    '',
    '0',
    '-1',
    '2X',
    'fast',
    '22:00-06:00 unlimited',
    '25:00-06:00 1M, 2M',
    '22:00-22:00 1M, 2M'
  ]) {
    assert.throws(() => parseRate(text), RangeError, text)
  }
  for (const rate of [0, -1, Number.NaN, { bytesPerSecond: 1, hours: { '1-2': 1 } }]) {
    assert.throws(() => new RateLimiter(rate), RangeError)
  }
})
