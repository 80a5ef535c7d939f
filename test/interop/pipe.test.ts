import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type TestContext, test } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { createGunzip, createGzip } from 'node:zlib'
import {
  Duplex as StreamxDuplex,
  Readable as StreamxReadable,
  Transform as StreamxTransform,
  Writable as StreamxWritable
} from 'streamx'
import { isBackupError } from '../../src/errors.js'
import {
  compose,
  fromNodeTransform,
  pipe,
  stageToDuplex,
  toNodeReadable,
  toNodeWritable,
  toWebReadable
} from '../../src/interop/index.js'
import type { Sink, Source, Stage } from '../../src/types.js'
import { drain, Watched } from '../helpers/watched.js'

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
const REASON = { reason: 'no Error' }

const double: Stage<number> = async function* double(source) {
  for await (const item of source) yield item * 2
}
const pass: Stage<unknown> = async function* pass(source) {
  yield* source
}

/** A transform of each kind that passes objects through. */
const transforms: Record<string, () => Duplex> = {
  Node: () => new PassThrough({ objectMode: true }),
  streamx: () => new StreamxTransform() as unknown as Duplex,
  web: () => new TransformStream() as unknown as Duplex,
  'Duplex.from': () => stageToDuplex(pass)
}
/** A writable of each kind that keeps what it gets, slowly if it is told to. */
const writables: Record<string, (got: unknown[], error?: Error) => Writable> = {
  Node: (got, error) =>
    new Writable({
      objectMode: true,
      highWaterMark: 2,
      write(item, _, done) {
        got.push(item)
        global.setImmediate(done, error)
      }
    }),
  streamx: (got, error) =>
    new StreamxWritable({
      highWaterMark: 2048,
      write(item: unknown, done: (error: Error | null) => void) {
        got.push(item)
        global.setImmediate(done, error ?? null)
      }
    }) as unknown as Writable,
  web: (got, error) =>
    new WritableStream({
      async write(item) {
        got.push(item)
        await setImmediate()
        if (error) throw error
      }
    }) as unknown as Writable
}

test('stages run in order, into a sink or out of the pipe', async () => {
  assert.deepEqual(await pipe(numbers(3), double, double, drain<number>), [0, 4, 8])
  assert.deepEqual(await drain(pipe(numbers(3), double)), [0, 2, 4])
  assert.deepEqual(await drain(pipe(numbers(3), compose(double, double))), [0, 4, 8])
  assert.equal(await pipe(numbers(3), async source => (await drain(source)).length), 3)
})

test('every stage and the sink get a context whose signal aborts with the given one', async () => {
  const controller = new AbortController()
  const signals: (AbortSignal | undefined)[] = []
  const look: Stage<number> = async function* look(source, context) {
    signals.push(context?.signal)
    yield* source
  }
  const sink: Sink<number> = async (source, context) => {
    signals.push(context?.signal)
    await drain(source)
    controller.abort(REASON)
    assert.deepEqual(
      signals.map(signal => signal?.reason),
      [REASON, REASON, REASON]
    )
  }
  await pipe(numbers(1), look, compose(look), sink, { signal: controller.signal })
  assert.equal(signals.length, 3)
})

test('bytes, strings and things that are no steps are refused at the call', () => {
  const wrong = [new Uint8Array(2), Buffer.from('a'), 'text', 5, undefined, {}, new DataView(new ArrayBuffer(1))]
  for (const source of wrong) assert.throws(() => pipe(source as never, double), TypeError)
  for (const step of [5, {}, 'a', [], null]) assert.throws(() => pipe([1], step as never, double), TypeError)
  assert.throws(() => pipe([1], Readable.from([]) as never, double), TypeError)
  assert.throws(() => (pipe as unknown as (source: unknown) => void)([1]), TypeError)
  assert.throws(() => pipe([1], (() => 5) as never), TypeError)
  assert.throws(() => (compose as unknown as () => void)(), TypeError)
})

test('bytes go through transforms of all kinds and come back', async () => {
  const bytes = numbers(50).map(i => Buffer.alloc(20_000, i))
  const stages = [createGzip(), new StreamxTransform(), createGunzip(), new CompressionStream('gzip')] as const
  const back = new DecompressionStream('gzip')
  const out = (await pipe(bytes, ...stages, back, compose(new PassThrough(), pass), drain<unknown>)) as Buffer[]
  assert.ok(Buffer.concat(out).equals(Buffer.concat(bytes)))
})

for (const [kind, make] of Object.entries(transforms)) {
  test(`items keep their order through a transform (${kind})`, async () => {
    assert.deepEqual(
      await pipe(numbers(1000), double, make(), pass, drain<unknown>),
      numbers(1000).map(i => i * 2)
    )
  })

  test(`a transform that nobody reads holds its source back (${kind})`, async () => {
    const source = new Watched(numbers(100_000))
    const items = pipe(source, compose(make()))
    await items.next()
    for (let turn = 0; turn < 100; turn++) await setImmediate()
    assert.ok(source.pulls < 200, `${source.pulls} items pulled`)
    await items.return()
    assert.equal(source.isClosed, true)
  })

  test(`an error of the source comes out of a transform unchanged (${kind})`, async () => {
    const error = new Error('of the source')
    const stream = make()
    await assert.rejects(pipe(new Watched([1], { error }), stream, drain), thrown => thrown === error)
    if (stream instanceof Duplex) assert.equal(stream.destroyed, true)
  })

  test(`an abort ends a pipe that is parked before a transform (${kind})`, async () => {
    const controller = new AbortController()
    const source = new Watched([1], { onPark: () => controller.abort(REASON) })
    const stream = make()
    const run = pipe(source, stream, drain, { signal: controller.signal })
    await assert.rejects(run, thrown => thrown === REASON)
    if (stream instanceof Duplex) assert.equal(stream.destroyed, true)
  })

  test(`a consumer that stops does not wait for a source that is parked before a transform (${kind})`, async () => {
    const source = new Watched([1], { onPark: () => {} })
    for await (const _ of pipe(source, compose(make()))) break
    const error = new Error('of the sink')
    const sink: Sink<unknown> = async items => {
      for await (const _ of items) throw error
    }
    await assert.rejects(pipe(new Watched([1], { onPark: () => {} }), make(), sink), thrown => thrown === error)
  })
}

for (const [kind, make] of Object.entries(writables)) {
  test(`a writable gets every item before the pipe resolves (${kind})`, async () => {
    const got: unknown[] = []
    await pipe(numbers(100), double, make(got))
    assert.deepEqual(
      got,
      numbers(100).map(i => i * 2)
    )
  })

  test(`an error of a writable comes out unchanged and closes the source, even a parked one (${kind})`, async () => {
    const error = new Error('of the writable')
    const source = new Watched(numbers(50))
    await assert.rejects(pipe(source, pass, make([], error)), thrown => thrown === error)
    assert.equal(source.isClosed, true)
    const parked = new Watched([1], { onPark: () => {} })
    await assert.rejects(pipe(parked, make([], error)), thrown => thrown === error)
  })

  test(`an error of the source destroys a writable (${kind})`, async () => {
    const error = new Error('of the source')
    const stream = make([])
    await assert.rejects(pipe(new Watched([1], { error }), stream), thrown => thrown === error)
    await setImmediate()
    if (kind !== 'web') assert.equal(stream.destroyed, true)
  })

  test(`an abort ends a pipe whose writable never takes what it is given (${kind})`, async () => {
    const controller = new AbortController()
    const stuck =
      kind === 'web'
        ? new WritableStream({ write: () => new Promise(() => {}) })
        : kind === 'Node'
          ? new Writable({ objectMode: true, highWaterMark: 1, write: () => {} })
          : (new StreamxWritable({ highWaterMark: 1, write: () => {} }) as unknown as Writable)
    const source = new Watched(numbers(50))
    const run = pipe(source, pass, stuck, { signal: controller.signal })
    await setImmediate()
    controller.abort(REASON)
    await assert.rejects(run, thrown => thrown === REASON)
    assert.equal(source.isClosed, true)
  })
}

test('a web writable is aborted with the error of the source', async () => {
  const error = new Error('of the source')
  let abortedWith: unknown
  const stream = new WritableStream({
    abort(reason) {
      abortedWith = reason
    }
  })
  await assert.rejects(pipe(new Watched([1], { error }), stream), thrown => thrown === error)
  await setImmediate()
  assert.equal(abortedWith, error)
})

test('a stream that somebody else ends or destroys is an error', async () => {
  const ended = new Writable({ objectMode: true, write: (_item, _encoding, done) => done() })
  ended.end()
  await assert.rejects(pipe(numbers(3), ended), error => isBackupError(error) || error instanceof Error)
  const destroyed = new PassThrough({ objectMode: true })
  const run = pipe(new Watched([1], { onPark: () => destroyed.destroy() }), destroyed, drain)
  await assert.rejects(run, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
})

test('an abort ends streams as sources while they are parked, and closes them', async () => {
  let isCancelled = false
  const web = new ReadableStream({ cancel: () => void (isCancelled = true) })
  const node = new Readable({ read() {} })
  const streamx = new StreamxReadable()
  for (const source of [node, web, streamx as unknown as Readable]) {
    const controller = new AbortController()
    const run = pipe(source as Source<unknown>, drain, { signal: controller.signal })
    await setImmediate()
    controller.abort(REASON)
    await assert.rejects(run, thrown => thrown === REASON)
  }
  await setImmediate()
  assert.deepEqual([node.destroyed, isCancelled, streamx.destroyed], [true, true, true])
})

test('streams that were never pulled are destroyed when the pipe starts aborted', async () => {
  const source = Readable.from([1])
  const middle = new PassThrough({ objectMode: true })
  const run = pipe(source, middle, drain, { signal: AbortSignal.abort(REASON) })
  await assert.rejects(run, thrown => thrown === REASON)
  assert.deepEqual([source.destroyed, middle.destroyed], [true, true])
})

test('a pipeline keeps one listener on the signal while it runs and none after it', async () => {
  const { signal } = new AbortController()
  const count = () => getEventListeners(signal, 'abort').length
  const seen: number[] = []
  const sink: Sink<unknown> = async source => {
    for await (const _ of source) seen.push(count())
  }
  const middle = () => new PassThrough({ objectMode: true })
  await pipe(numbers(3), middle(), new TransformStream(), pass, sink, { signal })
  assert.deepEqual(seen, [1, 1, 1])
  assert.equal(count(), 0)
  const items = pipe(numbers(3), middle(), { signal })
  assert.equal(count(), 0)
  await items.next()
  assert.equal(count(), 1)
  await items.return()
  assert.equal(count(), 0)
  const failed = pipe(new Watched([1], { error: new Error('x') }), drain, { signal })
  await assert.rejects(failed)
  assert.equal(count(), 0)
})

test('items are left at once while a pull is parked', async () => {
  const source = new Watched([1], { onPark: () => {} })
  const items = pipe(source, pass)
  await items.next()
  const parked = items.next()
  await setImmediate()
  assert.deepEqual(await items.return(), { done: true, value: undefined })
  assert.equal((await parked).done, true)
  assert.equal((await items.next()).done, true)
})

test('a sink that takes one item by hand and returns leaves nothing open', async () => {
  const source = new Watched(numbers(9))
  const first = await pipe(source, pass, async items => {
    const iterator = (items as AsyncIterable<unknown>)[Symbol.asyncIterator]()
    return (await iterator.next()).value
  })
  assert.equal(first, 0)
  assert.equal(source.isClosed, true)
})

test('an error in a stage closes what is before it and comes out unchanged', async () => {
  const error = new Error('of a stage')
  const failing: Stage<unknown> = async function* failing(source) {
    for await (const item of source) {
      if (item === 2) throw error
      yield item
    }
  }
  const source = new Watched(numbers(9))
  const stream = new PassThrough({ objectMode: true })
  await assert.rejects(pipe(source, stream, failing, pass, drain), thrown => thrown === error)
  assert.deepEqual([source.isClosed, stream.destroyed], [true, true])
})

test('a Node stream in front of a pipe is destroyed with it, closing a parked source', async () => {
  const source = new Watched([1], { onPark: () => {} })
  const readable = toNodeReadable(pipe(source, pass), { objectMode: true })
  assert.ok(readable instanceof Readable)
  for await (const _ of readable) break
  assert.equal(readable.destroyed, true)
  await new Promise(resolve => (readable.closed ? resolve(undefined) : readable.once('close', resolve)))
})

test('a source becomes a Node readable of bytes, which may be empty in between', async () => {
  const chunks = await drain(toNodeReadable([Buffer.from('a'), new Uint8Array(0), 'b', new Uint8Array([99])]))
  assert.equal(Buffer.concat(chunks as Buffer[]).toString(), 'abc')
  const error = new Error('of the source')
  const failing = toNodeReadable(new Watched(['a'], { error }))
  await assert.rejects(drain(failing), thrown => thrown === error)
})

test('a source becomes a web stream that pulls on demand and closes it on cancel', async () => {
  const source = new Watched(numbers(9))
  const stream = toWebReadable(source)
  await setImmediate()
  assert.equal(source.opened, 0)
  const reader = stream.getReader()
  assert.deepEqual(await reader.read(), { done: false, value: 0 })
  await reader.cancel()
  assert.equal(source.isClosed, true)
})

test('stages run in stream.pipeline, as a function and as a Duplex', async () => {
  const got: unknown[] = []
  await pipeline(Readable.from(numbers(5)), double as never, stageToDuplex(double), writables.Node!(got))
  assert.deepEqual(got, [0, 4, 8, 12, 16])
})

test('a transform is a stage where it comes last, and a sink if it is told so', async () => {
  const out = new PassThrough({ objectMode: true })
  assert.deepEqual(await drain(pipe(numbers(3), new PassThrough({ objectMode: true }))), [0, 1, 2])
  const [got] = await Promise.all([drain(out as AsyncIterable<unknown>), pipe(numbers(3), toNodeWritable(out))])
  assert.deepEqual(got, [0, 1, 2])
  assert.throws(() => toNodeWritable({} as never), TypeError)
  assert.throws(() => fromNodeTransform(new Writable() as never), TypeError)
})

test("a transform's own error comes out unchanged", async () => {
  const error = new Error('of the transform')
  const source = new Watched(numbers(9))
  const failing = new Transform({ objectMode: true, transform: (_item, _encoding, done) => done(error) })
  await assert.rejects(pipe(source, failing, drain), thrown => thrown === error)
  assert.equal(source.isClosed, true)
})

test('what is buffered leaves the event loop free', async () => {
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  await pipe(numbers(300_000), pass, drain)
  clearInterval(timer)
  assert.ok(ticks >= 2, `${ticks} ticks`)
})

test('an abort of a stage that sleeps between items is noticed at the next of them', async () => {
  const controller = new AbortController()
  const slow: Stage<unknown> = async function* slow(source, { signal } = {}) {
    for await (const item of source) {
      await setTimeout(1, undefined, { signal: signal as AbortSignal })
      yield item
    }
  }
  const run = pipe(
    numbers(1e6),
    slow,
    async items => {
      for await (const item of items) if (item === 2) controller.abort(REASON)
    },
    { signal: controller.signal }
  )
  await assert.rejects(run, thrown => thrown === REASON)
})

async function loopback(t: TestContext): Promise<{ readonly client: Socket; readonly server: Socket }> {
  const listener = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  t.after(() => listener.close())
  await once(listener, 'listening')
  const client = connect({ port: (listener.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [server] = await once(listener, 'connection')
  t.after(() => [client, server].map(socket => socket.destroy()))
  return { client, server }
}

const text = async (source: Source<unknown>) => Buffer.concat((await drain(source)) as Buffer[]).toString()

test('of a socket that comes first, the half that is read ends and the other goes on', async t => {
  const { client, server } = await loopback(t)
  client.end('question')
  assert.equal(await pipe(server, pass, text), 'question')
  assert.equal(server.destroyed, false)
  server.end('answer')
  assert.equal(await pipe(client, pass, text), 'answer')
})

test('of any duplex that comes first, the other half can be written to afterwards', async () => {
  const kinds: Record<string, (got: string[]) => Duplex> = {
    Node: got => new Duplex({ read() {}, write: (chunk, _, done) => done(void got.push(String(chunk))) }),
    streamx: got =>
      new StreamxDuplex({
        write(chunk: unknown, done: (error: Error | null) => void) {
          got.push(String(chunk))
          done(null)
        }
      }) as unknown as Duplex
  }
  for (const [kind, make] of Object.entries(kinds)) {
    const got: string[] = []
    const duplex = make(got)
    const reading = pipe(duplex, pass, text)
    await setTimeout(5)
    for (const chunk of ['a', 'b', null]) duplex.push(chunk === null ? null : Buffer.from(chunk))
    assert.equal(await reading, 'ab', kind)
    const finished = once(duplex, 'finish')
    duplex.end('later')
    await finished
    assert.deepEqual(got, ['later'], kind)

    const failure = new Error('of the stream')
    const broken = make([])
    setTimeout(5).then(() => broken.destroy(failure))
    await assert.rejects(pipe(broken, pass, text), error => error === failure)
    const closed = make([])
    setTimeout(5).then(() => closed.destroy())
    await assert.rejects(pipe(closed, pass, text), Error)
  }
})

test('a socket can be the first and the last of one pipeline', async t => {
  const { client, server } = await loopback(t)
  client.end('echo')
  const upper: Stage<Buffer, string> = async function* upper(source) {
    for await (const chunk of source) yield chunk.toString().toUpperCase()
  }
  const echoed = pipe(server, upper, server)
  assert.equal(await text(client), 'ECHO')
  await echoed
})

test('a socket that comes first is destroyed by an error, an abort and a consumer that stops', async t => {
  const failure = new Error('of the sink')
  const ends: Record<string, (server: Socket, client: Socket) => Promise<unknown>> = {
    error: server =>
      assert.rejects(
        pipe(server, async source => {
          for await (const _ of source) throw failure
        }),
        error => error === failure
      ),
    abort: server => {
      const controller = new AbortController()
      const run = pipe(server, pass, drain, { signal: controller.signal })
      setTimeout(20).then(() => controller.abort(failure))
      return assert.rejects(run, error => error === failure)
    },
    break: async server => {
      for await (const _ of pipe(server, pass)) break
    },
    'early end of the sink': server =>
      pipe(server, async source => {
        for await (const _ of source) return
      })
  }
  for (const [name, end] of Object.entries(ends)) {
    const { client, server } = await loopback(t)
    client.on('error', () => {})
    client.write('never ends')
    await end(server, client)
    assert.equal(server.destroyed, true, name)
  }
})

test('a wiring that cannot work is a TypeError, at the call where it can be seen there', async () => {
  const sink = async (source: Source<unknown>) => drain(source)
  const wrong: readonly (readonly unknown[])[] = [
    [numbers(1)],
    [() => numbers(1), sink],
    [new Writable(), sink],
    [new WritableStream(), sink],
    [numbers(1), new Writable({ write() {} }), sink],
    [numbers(1), new WritableStream(), sink],
    [numbers(1), Readable.from([]), sink],
    [numbers(1), sink, sink],
    [numbers(1), () => undefined, sink],
    [numbers(1), () => numbers(1), sink],
    [numbers(1), Promise.resolve(sink), sink],
    [numbers(1), pass, sink, { sigal: undefined }]
  ]
  const call = pipe as (...steps: unknown[]) => unknown
  for (const [i, steps] of wrong.entries()) assert.throws(() => call(...steps), TypeError, `wiring ${i}`)
  const composed = compose(pass, sink as never, pass)
  assert.throws(() => composed(numbers(1)), TypeError)
})
