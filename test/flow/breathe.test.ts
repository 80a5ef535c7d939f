import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { BREATHE_MS } from '../../src/constants.js'
import { createBreather } from '../../src/flow/breathe.js'

/** A clock that moves only when it is told to. */
function stopClock(t: TestContext): (ms: number) => void {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  return ms => {
    now += ms
  }
}

test('a pause is not due at once, and within sixteen items when the stated time is over', t => {
  const advance = stopClock(t)
  const breather = createBreather()
  for (let i = 0; i < 100; i++) assert.equal(breather.due(), false)
  advance(BREATHE_MS)
  let items = 1
  while (!breather.due()) items++
  assert.ok(items <= 16, `${items} items`)
  assert.equal(createBreather().due(), false)
})

test('among slow items a pause is due at each of them', t => {
  const advance = stopClock(t)
  const breather = createBreather()
  advance(BREATHE_MS)
  assert.equal(breather.due(), true)
  advance(2)
  assert.equal(breather.due(), true)
})

test('a pause lets timers run, and is not due again right after it', async t => {
  const advance = stopClock(t)
  const breather = createBreather()
  let isOver = false
  setTimeout(() => {
    isOver = true
  }, 1)
  while (!isOver) {
    advance(1)
    if (breather.due()) await breather.pause()
  }
  await breather.pause()
  assert.equal(breather.due(), false)
})
