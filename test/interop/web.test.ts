import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { pipe } from '../../src/interop/pipe.js'
import { fromWebTransform, toWebReadable, toWebWritable } from '../../src/interop/web.js'
import { observe } from '../../src/stages/observe.js'
import { collect, directory, file } from '../helpers/entries.js'
import { sinkContract } from '../helpers/source-contract.js'
import { stageContract, WatchedSource } from '../helpers/stage-contract.js'

const makeItems = () => [directory('.'), file('a', 'a'), file('b', 'b')]
const numbers = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))

stageContract('a web transform', () => fromWebTransform(new TransformStream()), makeItems, { lookAhead: 4 })
sinkContract('a web writable', () => toWebWritable(new WritableStream()), makeItems)

test('a slow web writable holds its source back', async () => {
  let written = 0
  let most = 0
  const source = new WatchedSource(numbers(60))
  const slow = new WritableStream({
    async write() {
      await setImmediate()
      written++
      most = Math.max(most, source.pulls - written)
    }
  })
  await pipe(
    source,
    observe(() => {}),
    slow
  )
  assert.equal(written, 60)
  assert.ok(most <= 4, `${most} items ahead`)
})

test('a web stream pulls on demand, and cancelling it closes the source', async () => {
  const source = new WatchedSource(numbers(10))
  const reader = toWebReadable(source).getReader()
  await setImmediate()
  assert.equal(source.pulls, 0)
  assert.deepEqual((await reader.read()).value, { n: 0 })
  assert.equal(source.pulls, 1)
  await reader.cancel()
  assert.equal(source.returns, 1)
})

test('a web stream of a source that fails fails with its error', async () => {
  const error = new Error('of the source')
  const source = new WatchedSource(numbers(1), () => Promise.reject(error))
  await assert.rejects(collect(toWebReadable(source)), thrown => thrown === error)
})

test('what is no web stream is refused at the call', () => {
  for (const wrong of [{}, undefined, new ReadableStream()]) {
    assert.throws(() => fromWebTransform(wrong as never), TypeError)
    assert.throws(() => toWebWritable(wrong as never), TypeError)
  }
})
