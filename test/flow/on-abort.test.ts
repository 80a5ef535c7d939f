import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { onAbort } from '../../src/flow/on-abort.js'

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

test('many callbacks of one signal have one listener, and none when all have been taken away', () => {
  const { signal } = new AbortController()
  const stops = Array.from({ length: 20 }, () => onAbort(signal, () => assert.fail('nothing aborts')))
  assert.equal(listeners(signal), 1)
  for (const stop of [...stops, ...stops]) stop()
  assert.equal(listeners(signal), 0)
})

test('an abort calls every callback once, with its reason, also one that waits twice', () => {
  const controller = new AbortController()
  const calls: unknown[] = []
  const callback = (reason: unknown) => calls.push(reason)
  onAbort(controller.signal, callback)
  onAbort(controller.signal, callback)
  const stop = onAbort(controller.signal, () => assert.fail('it was taken away'))
  stop()
  controller.abort('why')
  assert.deepEqual(calls, ['why', 'why'])
})

test('a signal that has aborted calls back at once; none never does', () => {
  const calls: unknown[] = []
  onAbort(AbortSignal.abort('before'), reason => calls.push(reason))
  onAbort(undefined, () => assert.fail('there is no signal'))()
  assert.deepEqual(calls, ['before'])
})
