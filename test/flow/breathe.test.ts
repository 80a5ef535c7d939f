import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BREATHE_MS } from '../../src/constants.js'
import { createBreather } from '../../src/flow/breathe.js'

function spin(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('a pause is not due at once, and within sixteen items when the stated time is over', () => {
  const breather = createBreather()
  for (let i = 0; i < 100; i++) breather.due()
  spin(BREATHE_MS)
  let items = 1
  while (!breather.due()) items++
  assert.ok(items <= 16, `${items} items`)
  assert.equal(createBreather().due(), false)
})

test('among slow items a pause is due at each of them', () => {
  const breather = createBreather()
  spin(BREATHE_MS)
  assert.equal(breather.due(), true)
  spin(2)
  assert.equal(breather.due(), true)
})

test('a pause lets timers run, and is not due again right after it', async () => {
  const breather = createBreather()
  let isOver = false
  setTimeout(() => {
    isOver = true
  }, 1)
  for (let i = 0; i < 1000 && !isOver; i++) {
    spin(1)
    if (breather.due()) await breather.pause()
  }
  assert.equal(isOver, true)
  await breather.pause()
  assert.equal(breather.due(), false)
})
