import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Duplex, PassThrough, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { pipe as itPipe } from 'it-pipe'
import { PassThrough as StreamxPassThrough, Writable as StreamxWritable } from 'streamx'
import { Chain, fullBackup } from '../../src/index.js'
import { fromNodeTransform, toNodeReadable, toNodeWritable } from '../../src/interop/node.js'
import { pipe } from '../../src/interop/pipe.js'
import { stageToDuplex } from '../../src/interop/stage-duplex.js'
import { toWebReadable } from '../../src/interop/web.js'
import { observe } from '../../src/stages/observe.js'
import { memoryStore } from '../../src/stores/index.js'
import type { Source, StateEntry } from '../../src/types.js'
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

/** Directories without end to their names: their state comes in many groups of lines. */
const directories = (count: number) => [
  directory('.'),
  ...Array.from({ length: count }, (_, i) => directory(`d${String(i).padStart(6, '0')}-${'x'.repeat(60)}`))
]

test('a source that comes in groups or batches is a Node and a web readable, item by item', async () => {
  const options = { store: memoryStore(), cache: false, key: 'key' } as const
  const entries = directories(12_000)
  await fullBackup('/', { ...options, stages: { walk: entries } })
  const chain = await Chain.open(options.store, 'key')
  const { date } = chain.newest!
  const paths = entries.map(({ path }) => path)
  const readables = {
    node: () => toNodeReadable(chain.entries(date), { objectMode: true }),
    duplex: () => toNodeReadable(chain.entries(date), { objectMode: true }).compose(observe(() => {}) as never),
    stage: () => toNodeReadable(chain.entries(date), { objectMode: true }).pipe(stageToDuplex(observe(() => {}))),
    web: () => toWebReadable(chain.entries(date))
  }
  for (const [name, make] of Object.entries(readables)) {
    const found = (await collect(make() as Source<StateEntry>)).map(({ path }) => path)
    assert.deepEqual(found, paths, name)
  }
  const events: string[] = []
  const flowing = readables.node().on('data', ({ path }) => events.push(path))
  await once(flowing, 'end')
  assert.deepEqual(events, paths)
})

test('a readable that asks again while an item is on its way gets its items once, in order', async () => {
  let pulls = 0
  const source: AsyncIterable<{ n: number }> = {
    [Symbol.asyncIterator]() {
      let n = 0
      return {
        async next() {
          assert.equal(++pulls, 1, 'two pulls at a time')
          await setImmediate()
          pulls--
          return n < 100 ? { done: false, value: { n: n++ } } : { done: true, value: undefined }
        }
      }
    }
  }
  const readable = toNodeReadable(source, { objectMode: true })
  const found: unknown[] = []
  readable.on('data', item => {
    found.push(item)
    readable.read(0)
  })
  await once(readable, 'end')
  assert.deepEqual(found, numbers(100))
})

test('what is no stream is refused at the call', () => {
  for (const wrong of [{}, undefined, 'text', new Writable()])
    assert.throws(() => fromNodeTransform(wrong as never), TypeError)
  for (const wrong of [{}, undefined, 'text']) assert.throws(() => toNodeWritable(wrong as never), TypeError)
  assert.throws(() => stageToDuplex({} as never), TypeError)
})
