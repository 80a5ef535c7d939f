import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  Duplex as StreamxDuplex,
  Readable as StreamxReadable,
  Transform as StreamxTransform,
  Writable as StreamxWritable
} from 'streamx'
import { pipe, stageToDuplex, toNodeReadable, toWebReadable } from '../../src/interop/index.js'
import type { Sink, Source, Stage } from '../../src/types.js'
import { Watched } from '../helpers/watched.js'

type Make = (error?: Error) => unknown

const COUNT = 40
const ITEMS = Array.from({ length: COUNT }, (_, n) => ({ n }))
const HERE = Symbol('here')

/** Sources of each kind over one that knows whether it was closed. */
const SOURCES: Readonly<Record<string, (items: Watched<object>) => Source<unknown>>> = {
  'async generator': items => items[Symbol.asyncIterator](),
  'Node readable': items => Readable.from(items, { highWaterMark: 2 }),
  'Node readable of a source': items => toNodeReadable(items, { objectMode: true }),
  'streamx readable': items => StreamxReadable.from(items) as unknown as Source<unknown>,
  'web readable': items => toWebReadable(items),
  'Node duplex, read only': items => Duplex.from(items[Symbol.asyncIterator]()) as Source<unknown>
}

const fails = (error: Error | undefined, item: unknown): boolean =>
  error !== undefined && (item as { n: number }).n === 3

const stageOf = (error?: Error): Stage<unknown> =>
  async function* stage(source) {
    for await (const item of source) {
      if (fails(error, item)) throw error
      yield item
    }
  }

const TRANSFORMS: Readonly<Record<string, Make>> = {
  stage: stageOf,
  'Node transform': error =>
    new Transform({
      objectMode: true,
      highWaterMark: 2,
      transform: (item, _, done) => (fails(error, item) ? done(error) : done(null, item))
    }),
  'Duplex.from': error => Duplex.from(stageOf(error) as never),
  stageToDuplex: error => stageToDuplex(stageOf(error)),
  'streamx transform': error =>
    new StreamxTransform({
      transform: (item: unknown, done: (error: Error | null, item?: unknown) => void) =>
        fails(error, item) ? done(error!) : done(null, item)
    }),
  'streamx duplex': error => {
    const duplex: StreamxDuplex = new StreamxDuplex({
      write(item: unknown, done: (error?: Error | null) => void) {
        if (fails(error, item)) return done(error!)
        duplex.push(item)
        done(null)
      },
      final(done: () => void) {
        duplex.push(null)
        done()
      }
    } as object)
    return duplex
  },
  'web transform': error =>
    new TransformStream({
      transform(item, controller) {
        if (fails(error, item)) throw error
        controller.enqueue(item)
      }
    })
}

const SINKS: Readonly<Record<string, (got: unknown[], error?: Error) => unknown>> = {
  sink:
    (got, error): Sink<unknown> =>
    async source => {
      for await (const item of source) {
        if (fails(error, item)) throw error
        got.push(item)
      }
    },
  'Node writable': (got, error) =>
    new Writable({
      objectMode: true,
      highWaterMark: 2,
      write(item, _, done) {
        if (fails(error, item)) return done(error)
        got.push(item)
        global.setImmediate(done)
      }
    }),
  'Node duplex': (got, error) =>
    new Duplex({
      objectMode: true,
      read() {},
      write(item, _, done) {
        if (fails(error, item)) return done(error)
        got.push(item)
        done()
      }
    }),
  'streamx writable': (got, error) =>
    new StreamxWritable({
      write(item: unknown, done: (error: Error | null) => void) {
        if (fails(error, item)) return done(error!)
        got.push(item)
        done(null)
      }
    }),
  'web writable': (got, error) =>
    new WritableStream({
      write(item) {
        if (fails(error, item)) throw error
        got.push(item)
      }
    })
}

interface Joined {
  readonly name: string
  readonly source: string
  readonly transform: string
  readonly sink: string
}

function* everyJoint(): Generator<Joined> {
  for (const source of Object.keys(SOURCES)) {
    for (const transform of Object.keys(TRANSFORMS)) {
      for (const sink of Object.keys(SINKS))
        yield { name: `${source} > ${transform} > ${sink}`, source, transform, sink }
    }
  }
}

interface Failing {
  readonly transform?: Error
  readonly sink?: Error
}

function run(joint: Joined, items: Watched<object>, failing: Failing = {}, signal?: AbortSignal) {
  const got: unknown[] = []
  const streams = [
    SOURCES[joint.source]!(items),
    TRANSFORMS[joint.transform]!(failing.transform),
    SINKS[joint.sink]!(got, failing.sink)
  ] as const
  const join = pipe as unknown as (...steps: unknown[]) => Promise<void>
  return { got, streams, done: join(...streams, { signal }) }
}

/** The source is closed and every stream destroyed, maybe a few turns later: streamx and the web take their time. */
async function assertEnded(items: Watched<object>, streams: readonly unknown[], name: string): Promise<void> {
  for (let turn = 0; turn < 50 && !items.isClosed; turn++) await setImmediate()
  assert.ok(items.isClosed, `${name}: the source is closed`)
  for (const stream of streams) {
    if (stream instanceof Readable || stream instanceof Writable) assert.ok(stream.destroyed, `${name}: destroyed`)
    else if (stream instanceof ReadableStream) assert.equal(await isOpen(stream), false, name)
  }
}

async function isOpen(stream: ReadableStream): Promise<boolean> {
  if (stream.locked) return false
  const reader = stream.getReader()
  return Promise.race([reader.closed.then(() => false), setImmediate(true)]).catch(() => false)
}

const EVERY = { timeout: 600_000 }

test('every item arrives through streams of every kind in every place', EVERY, async () => {
  for (const joint of everyJoint()) {
    const items = new Watched<object>(ITEMS)
    const { got, done } = run(joint, items)
    await done
    assert.deepEqual(got, ITEMS, joint.name)
    assert.ok(items.isEnded, joint.name)
  }
})

test('an error of a transform or of a sink crosses to both ends as the same object', EVERY, async () => {
  for (const joint of everyJoint()) {
    for (const place of ['transform', 'sink'] as const) {
      const name = `${joint.name}, error of the ${place}`
      const error = new Error(name)
      const items = new Watched<object>(ITEMS)
      const { got, streams, done } = run(joint, items, { [place]: error })
      await assert.rejects(done, thrown => thrown === error, name)
      assert.ok(got.length <= 3, name)
      await assertEnded(items, streams, name)
    }
  }
})

test('an error of the source comes out as the same object', EVERY, async () => {
  for (const joint of everyJoint()) {
    const error = new Error(joint.name)
    const items = new Watched<object>(ITEMS, { error })
    const { streams, done } = run(joint, items)
    await assert.rejects(done, thrown => thrown === error, joint.name)
    await assertEnded(items, streams, joint.name)
  }
})

test('an abort comes out as its reason, also while the source is parked', EVERY, async () => {
  for (const joint of everyJoint()) {
    const controller = new AbortController()
    const reason = { [HERE]: joint.name }
    const items = new Watched<object>(ITEMS, { onPark: () => controller.abort(reason) })
    const { streams, done } = run(joint, items, {}, controller.signal)
    await assert.rejects(done, thrown => thrown === reason, joint.name)
    for (const stream of streams) {
      if (stream instanceof Readable || stream instanceof Writable) assert.ok(stream.destroyed, joint.name)
    }
  }
})

test(
  'who stops reading closes the source through every kind of stream, and does not wait for one that is parked',
  EVERY,
  async () => {
    for (const source of Object.keys(SOURCES)) {
      for (const transform of Object.keys(TRANSFORMS)) {
        const name = `${source} > ${transform}`
        const items = new Watched<object>(ITEMS)
        const join = pipe as unknown as (...steps: unknown[]) => AsyncGenerator<unknown>
        const streams = [SOURCES[source]!(items), TRANSFORMS[transform]!()] as const
        for await (const _ of join(...streams, stageOf())) break
        await assertEnded(items, streams, name)
        const parked = new Watched<object>(ITEMS.slice(0, 2), { onPark: () => {} })
        for await (const _ of join(SOURCES[source]!(parked), TRANSFORMS[transform]!(), stageOf())) break
      }
    }
  }
)

const CHUNK_BYTES = 64 * 1024

/** Chunks that know how many bytes of them are on their way. */
class InFlight {
  made = 0
  taken = 0
  most = 0

  take = async (chunk: Uint8Array): Promise<void> => {
    await setImmediate()
    this.taken += chunk.length
  };

  *chunks(count: number): Generator<Buffer> {
    for (let i = 0; i < count; i++) {
      this.made += CHUNK_BYTES
      this.most = Math.max(this.most, this.made - this.taken)
      yield Buffer.alloc(CHUNK_BYTES, i)
    }
  }
}

const SLOW_SINKS: Readonly<Record<string, (flight: InFlight) => unknown>> = {
  'Node writable': flight => new Writable({ write: (chunk, _, done) => void flight.take(chunk).then(() => done()) }),
  'streamx writable': flight =>
    new StreamxWritable({
      write: (chunk: Uint8Array, done: (error: null) => void) => void flight.take(chunk).then(() => done(null))
    }),
  'web writable': flight => new WritableStream({ write: flight.take })
}

test('a slow sink of any kind holds memory through three transforms', EVERY, async () => {
  for (const [name, make] of Object.entries(SLOW_SINKS)) {
    const flight = new InFlight()
    const join = pipe as unknown as (...steps: unknown[]) => Promise<void>
    const steps = [new PassThrough(), new StreamxTransform(), new TransformStream()]
    await join(flight.chunks(400), ...steps, make(flight))
    assert.equal(flight.taken, 400 * CHUNK_BYTES, name)
    assert.ok(flight.most <= 16 * CHUNK_BYTES, `${name}: ${flight.most / CHUNK_BYTES} chunks of 64 KiB in flight`)
  }
})

const RUNS = 10_000

/** What frees all that nothing holds. */
function collector(): () => void {
  const { Bun: bun } = globalThis as { Bun?: { gc(isNow: true): void } }
  if (bun !== undefined) return () => bun.gc(true)
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
}

/** Whole runs, runs that fail, runs that are left early, and aborted ones. */
const ENDS: readonly ((join: (...steps: unknown[]) => never, source: object, step: unknown) => Promise<unknown>)[] = [
  (join, source, step) =>
    join(source, step, async (items: AsyncIterable<unknown>) => {
      for await (const _ of items);
    }),
  (join, source, step) =>
    (
      join(source, step, async () => {
        throw new Error('enough')
      }) as Promise<unknown>
    ).catch(() => {}),
  async (join, source, step) => {
    for await (const _ of join(source, step, stageOf()) as AsyncIterable<unknown>) break
  },
  (join, source, step) =>
    (
      join(source, step, stageOf(), new PassThrough({ objectMode: true }), {
        signal: AbortSignal.abort()
      }) as AsyncGenerator
    )
      .next()
      .catch(() => {})
]

test('ten thousand runs leave nothing behind, however they end', EVERY, async () => {
  const collect = collector()
  const makers = Object.values(TRANSFORMS)
  const { signal } = new AbortController()
  const refs: WeakRef<object>[] = []
  for (let i = 0; i < RUNS; i++) {
    const source = ITEMS.slice(0, 3)
    refs.push(new WeakRef(source))
    const end = ENDS[i % ENDS.length]!
    const join = ((...steps: unknown[]) =>
      (pipe as unknown as (...steps: unknown[]) => unknown)(
        ...steps,
        ...(steps.length === 3 ? [{ signal }] : [])
      )) as never
    await end(join, source, makers[(i >> 2) % makers.length]!())
  }
  let alive = RUNS
  for (let turn = 0; turn < 100 && alive > 20; turn++) {
    await setImmediate()
    collect()
    alive = refs.filter(ref => ref.deref() !== undefined).length
  }
  assert.ok(alive <= 20, `${alive} of ${RUNS} sources are still held`)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})
