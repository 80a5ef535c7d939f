import assert from 'node:assert/strict'
import { PassThrough, Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { fullBackup, pipe, restoreBackup, verifyBackup } from '../../src/index.js'
import { tee } from '../../src/interop/index.js'
import { publish } from '../../src/stages/index.js'
import { memoryStore } from '../../src/stores/index.js'
import type { Sink, Source } from '../../src/types.js'
import { drain, Watched } from '../helpers/watched.js'
import { temporaryDirectory } from '../native/tree.js'

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

test('every sink gets every item, and the results come in order', async () => {
  const sum = async (source: Source<number>) => (await drain(source)).reduce((a, b) => a + b, 0)
  const result: [number[], number] = await pipe(numbers(1000), tee(drain<number>, sum))
  assert.deepEqual(result, [numbers(1000), 499_500])
  assert.deepEqual(await pipe(numbers(3), tee(drain<number>, sum, drain<number>)), [numbers(3), 3, numbers(3)])
  assert.deepEqual(await pipe([], tee(drain, drain)), [[], []])
})

test('Node and web writables are sinks as well', async () => {
  const got: unknown[][] = [[], []]
  const node = new Writable({
    objectMode: true,
    highWaterMark: 1,
    write(item, _, done) {
      got[0]!.push(item)
      global.setImmediate(done)
    }
  })
  const web = new WritableStream({ write: item => void got[1]!.push(item) })
  await pipe(numbers(50), tee(node, web))
  assert.deepEqual(got, [numbers(50), numbers(50)])
  assert.equal(node.writableFinished, true)
})

test('the slowest sink holds the source back', async () => {
  const source = new Watched(numbers(100))
  let taken = 0
  const slow: Sink<number> = async items => {
    for await (const _ of items) {
      taken++
      await setTimeout(1)
      assert.ok(source.pulls - taken <= 8, `${source.pulls} items were pulled and ${taken} taken`)
    }
  }
  await pipe(source, tee(drain<number>, slow))
  assert.equal(taken, 100)
})

test('the error of one sink aborts the others, and comes out when they have settled', async () => {
  const failure = { reason: 'no Error' }
  const source = new Watched(numbers(1000))
  let settled = false
  const careful: Sink<number> = async (items, { signal } = {}) => {
    try {
      for await (const _ of items);
    } finally {
      assert.equal(signal?.aborted, true)
      await setTimeout(20)
      settled = true
    }
  }
  const failing: Sink<number> = async items => {
    for await (const item of items) if (item === 10) throw failure
  }
  await assert.rejects(pipe(source, tee(careful, failing)), error => error === failure)
  assert.equal(settled, true)
  assert.equal(source.isClosed, true)
})

test('an error of the source, and an abort while it is parked, reach every sink', async () => {
  const failure = new Error('of the source')
  const ends: unknown[] = []
  const note: Sink<number> = async items => {
    try {
      for await (const _ of items);
      ends.push('end')
    } catch (error) {
      ends.push(error)
      throw error
    }
  }
  const broken = new Watched(numbers(3), { error: failure })
  await assert.rejects(pipe(broken, tee(note, note)), error => error === failure)
  assert.deepEqual(ends.splice(0), [failure, failure])

  const reason = new Error('enough')
  const controller = new AbortController()
  const parked = new Watched(numbers(3), { onPark: () => void setImmediate().then(() => controller.abort(reason)) })
  await assert.rejects(pipe(parked, tee(note, note), { signal: controller.signal }), error => error === reason)
  assert.deepEqual(ends, [reason, reason])
})

test('a sink that has seen enough does not end the others', async () => {
  const first: Sink<number, number> = async items => {
    for await (const item of items) return item
    return -1
  }
  const blind: Sink<number, string> = async () => 'nothing'
  assert.deepEqual(await pipe(numbers(100), tee(first, drain<number>, blind)), [0, numbers(100), 'nothing'])
  const source = new Watched(numbers(100))
  assert.deepEqual(await pipe(source, tee(first, blind)), [0, 'nothing'])
  assert.ok(source.isClosed && !source.isEnded)
})

test('a Transform is written to, and somebody else reads what comes out', async () => {
  const through = new PassThrough({ objectMode: true })
  const read = through.toArray()
  const [count] = await pipe(numbers(100), tee(drain<number>, through))
  assert.deepEqual([count, await read], [numbers(100), numbers(100)])
})

test('what is no sink is refused at the call', () => {
  for (const wrong of [[], [drain], [drain, undefined], [drain, new TransformStream()], [drain, []]]) {
    assert.throws(() => (tee as (...sinks: unknown[]) => unknown)(...wrong), TypeError)
  }
})

test('one read of a source makes a backup in two stores', async t => {
  const [one, other] = [memoryStore(), memoryStore()]
  const source = temporaryDirectory(t)
  const both: typeof publish = () => async (items, context) => {
    const [published] = await tee(publish(one), publish(other))(items, context)
    return published
  }
  await fullBackup(source, { store: one, cache: false, key: 'key', stages: { publish: both(one) } })
  for (const [i, store] of [one, other].entries()) {
    assert.deepEqual((await verifyBackup('key', { store, cache: false, readData: true })).problems, [])
    await restoreBackup('key', `${temporaryDirectory(t)}/${i}`, { store, cache: false })
  }
})
