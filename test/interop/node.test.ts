import assert from 'node:assert/strict'
import { Duplex, PassThrough, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { pipe as itPipe } from 'it-pipe'
import { PassThrough as StreamxPassThrough, Writable as StreamxWritable } from 'streamx'
import { fromNodeTransform, toNodeReadable, toNodeWritable } from '../../src/interop/node.js'
import { pipe } from '../../src/interop/pipe.js'
import { stageToDuplex } from '../../src/interop/stage-duplex.js'
import { observe } from '../../src/stages/observe.js'
import { collect, directory, file } from '../helpers/entries.js'
import { sinkContract } from '../helpers/source-contract.js'
import { stageContract, WatchedSource } from '../helpers/stage-contract.js'

const makeItems = () => [directory('.'), file('a', 'a'), file('b', 'b')]
const numbers = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))

// Look-ahead: both buffers of the stream, and one item at each border.
stageContract(
  'a Node transform',
  () => fromNodeTransform(new PassThrough({ objectMode: true, highWaterMark: 2 })),
  makeItems,
  { lookAhead: 8 }
)
stageContract('a streamx transform', () => fromNodeTransform(new StreamxPassThrough({ highWaterMark: 2 })), makeItems, {
  lookAhead: 40
})
sinkContract(
  'a Node writable',
  () => toNodeWritable(new Writable({ objectMode: true, write: (_, __, done) => done() })),
  makeItems
)
sinkContract(
  'a streamx writable',
  () => toNodeWritable(new StreamxWritable({ write: (_, done) => done(null) })),
  makeItems
)

for (const kind of ['Node', 'streamx'] as const) {
  test(`a slow ${kind} writable holds its source back`, async () => {
    let written = 0
    let most = 0
    const source = new WatchedSource(numbers(60))
    const write = async () => {
      await setImmediate()
      written++
      most = Math.max(most, source.pulls - written)
    }
    const slow =
      kind === 'Node'
        ? new Writable({ objectMode: true, highWaterMark: 2, write: (_, __, done) => void write().then(() => done()) })
        : new StreamxWritable({ highWaterMark: 2, write: (_, done) => void write().then(() => done(null)) })
    await pipe(
      source,
      observe(() => {}),
      slow
    )
    assert.equal(written, 60)
    assert.ok(most <= 20, `${most} items ahead`)
  })
}

test('a stage runs in it-pipe, in stream.pipeline and as a Duplex', async () => {
  const stages = {
    itPipe: async (seen: unknown[]) =>
      collect(
        itPipe(
          numbers(3),
          observe(item => void seen.push(item))
        )
      ),
    duplex: async (seen: unknown[]) => {
      const found: unknown[] = []
      const stage = stageToDuplex(observe(item => void seen.push(item)))
      assert.ok(stage instanceof Duplex)
      const sink = new Writable({ objectMode: true, write: (item, _, done) => done(void found.push(item)) })
      await pipeline(toNodeReadable(numbers(3), { objectMode: true }), stage, sink)
      return found
    }
  }
  for (const run of Object.values(stages)) {
    const seen: unknown[] = []
    assert.deepEqual(await run(seen), numbers(3))
    assert.deepEqual(seen, numbers(3))
  }
})

test('the error of a stage destroys the pipeline that it runs in', async () => {
  const error = new Error('of the stage')
  const fail = stageToDuplex(
    observe(() => {
      throw error
    })
  )
  const source = new WatchedSource(numbers(100))
  const readable = toNodeReadable(source, { objectMode: true })
  await assert.rejects(pipeline(readable, fail, new PassThrough({ objectMode: true })), thrown => thrown === error)
  assert.equal(source.returns, 1)
})

test('what is no stream is refused at the call', () => {
  for (const wrong of [{}, undefined, 'text', new Writable()])
    assert.throws(() => fromNodeTransform(wrong as never), TypeError)
  for (const wrong of [{}, undefined, 'text']) assert.throws(() => toNodeWritable(wrong as never), TypeError)
  assert.throws(() => stageToDuplex({} as never), TypeError)
})
