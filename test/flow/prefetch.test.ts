import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { prefetch } from '../../src/flow/prefetch.js'

/** Counts up, and notes how far it came and whether it was closed. */
function counter(end: number, error?: Error) {
  const seen = { started: 0, isClosed: false }
  async function* count() {
    try {
      while (seen.started < end) {
        seen.started++
        await setImmediate()
        yield seen.started
      }
      if (error !== undefined) throw error
    } finally {
      seen.isClosed = true
    }
  }
  return { seen, source: count() }
}

test('items come in order, and a source is no further ahead than it was allowed', async () => {
  const { seen, source } = counter(20)
  const found: number[] = []
  for await (const item of prefetch(source, 2)) {
    found.push(item)
    for (let i = 0; i < 20; i++) await setImmediate()
    assert.equal(seen.started, Math.min(20, item + 2))
  }
  assert.deepEqual(
    found,
    Array.from({ length: 20 }, (_, i) => i + 1)
  )
})

test('nothing is pulled before the first pull', async () => {
  const { seen, source } = counter(3)
  const ahead = prefetch(source, 2)
  await setImmediate()
  assert.equal(seen.started, 0)
  await ahead.return()
})

test('an error comes behind the items that came before it', async () => {
  const error = new Error('broken')
  const { source } = counter(3, error)
  const found: number[] = []
  const run = async () => {
    for await (const item of prefetch(source, 5)) found.push(item)
  }
  await assert.rejects(run(), error)
  assert.deepEqual(found, [1, 2, 3])
})

test('a consumer that breaks off closes the source, and waits for what it was doing', async () => {
  const { seen, source } = counter(20)
  for await (const item of prefetch(source, 3)) if (item === 2) break
  assert.equal(seen.isClosed, true)
  const { started } = seen
  await setImmediate()
  assert.equal(seen.started, started)
})
