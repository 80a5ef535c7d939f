import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  fromIter,
  fromIterTransform,
  fromIterWriter,
  type IterBatch,
  pipe,
  toIterTransform
} from '../../src/interop/index.js'
import type { Stage } from '../../src/types.js'
import { Watched } from '../helpers/watched.js'

/** The parts of `node:stream/iter` that are used here. */
interface StreamIter {
  from(source: unknown): AsyncIterable<IterBatch>
  pull(source: unknown, ...transforms: unknown[]): AsyncIterable<IterBatch>
  pipeTo(source: unknown, ...steps: unknown[]): Promise<number>
  push(options?: object): { writer: never; readable: AsyncIterable<IterBatch> }
  bytes(source: unknown): Promise<Uint8Array>
  toAsyncStreamable: symbol
}

const iter: StreamIter | undefined = await import('node:stream/iter' as string).catch(() => undefined)
const skip =
  iter === undefined && `Node ${process.version} has no node:stream/iter; Node 26 has, with --experimental-stream-iter`

const CHUNKS = Array.from({ length: 300 }, (_, i) => Buffer.alloc(1000, i))
const WHOLE = Buffer.concat(CHUNKS)
const flip: Stage<Uint8Array> = async function* flipStage(source) {
  for await (const chunk of source) yield Uint8Array.from(chunk, byte => byte ^ 0xff)
}
const FLIPPED = Buffer.from(WHOLE.map(byte => byte ^ 0xff))

async function gather(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Readables of `stream/iter`, by hand. */
async function* batches(): AsyncGenerator<IterBatch> {
  for (let i = 0; i < CHUNKS.length; i += 7) yield CHUNKS.slice(i, i + 7)
}

test('what stream/iter reads is a source', async () => {
  assert.deepEqual(await gather(pipe(fromIter(batches()), flip)), FLIPPED)
  const streamable = { [Symbol.for('Stream.toAsyncStreamable')]: async () => batches() }
  assert.deepEqual(await gather(fromIter(streamable)), WHOLE)
})

test('a transform of either kind is a stage, whatever it gives', async () => {
  const shapes: ((chunk: Uint8Array) => unknown)[] = [
    chunk => chunk,
    chunk => [chunk],
    async chunk => [[chunk.subarray(0, 1)], chunk.subarray(1)],
    chunk => pipe([chunk], flip, flip)
  ]
  for (const shape of shapes) {
    const stateless = (batch: IterBatch | null) => (batch === null ? 'the end' : shape(batch[0]!))
    const expected = Buffer.concat([WHOLE, Buffer.from('the end')])
    assert.deepEqual(await gather(pipe(CHUNKS, fromIterTransform(stateless))), expected)
  }
  const stateful = {
    async *transform(source: AsyncIterable<IterBatch | null>) {
      for await (const batch of source) yield batch === null ? 'the end' : batch
    }
  }
  assert.deepEqual(String((await gather(pipe(CHUNKS, fromIterTransform(stateful)))).subarray(-7)), 'the end')
})

test('errors and breaks cross a transform in both directions', async () => {
  const error = new Error('from the transform')
  const fails = (batch: IterBatch | null) => {
    if (batch?.[0]?.[0] === 3) throw error
    return batch
  }
  const items = new Watched<Uint8Array>(CHUNKS)
  await assert.rejects(gather(pipe(items, fromIterTransform(fails))), thrown => thrown === error)
  assert.ok(items.isClosed)
  const left = new Watched<Uint8Array>(CHUNKS)
  for await (const _ of pipe(left, fromIterTransform({ transform: source => source }))) break
  for (let turn = 0; turn < 50 && !left.isClosed; turn++) await setImmediate()
  assert.ok(left.isClosed)
})

test('a writer is a sink that is failed with the error of the source', async () => {
  const written: Uint8Array[] = []
  const writer = { write: async (chunk: Uint8Array) => void written.push(chunk), end: () => written.length }
  assert.equal(await pipe(CHUNKS, flip, fromIterWriter(writer)), CHUNKS.length)
  assert.deepEqual(Buffer.concat(written), FLIPPED)
  const error = new Error('from the source')
  const reasons: unknown[] = []
  const source = new Watched<Uint8Array>(CHUNKS, { error })
  const failing = pipe(source, fromIterWriter({ ...writer, fail: reason => void reasons.push(reason) }))
  await assert.rejects(failing, thrown => thrown === error)
  assert.deepEqual(reasons, [error])
})

test("Node's own stream/iter: our stages in its pipelines, its streams in ours", { skip }, async () => {
  const { bytes, from, pipeTo, pull, push, toAsyncStreamable } = iter!
  assert.deepEqual(Buffer.from(await bytes(pull(pipe(CHUNKS, flip), toIterTransform(flip)))), WHOLE)
  assert.deepEqual(await gather(pipe(fromIter(from(WHOLE)), flip)), FLIPPED)
  assert.equal(toAsyncStreamable, Symbol.for('Stream.toAsyncStreamable'))
  const { writer, readable } = push({ highWaterMark: 2 })
  const sent = pipe(CHUNKS, flip, fromIterWriter(writer))
  assert.deepEqual(Buffer.from(await bytes(readable)), FLIPPED)
  await sent
  const written: Uint8Array[] = []
  assert.equal(
    await pipeTo(CHUNKS, toIterTransform(flip), { write: (chunk: Uint8Array) => void written.push(chunk) }),
    WHOLE.length
  )
  assert.deepEqual(Buffer.concat(written), FLIPPED)
  const { compressGzip, decompressGzip } = await import('node:zlib/iter' as string)
  assert.deepEqual(
    await gather(pipe(CHUNKS, fromIterTransform(compressGzip()), fromIterTransform(decompressGzip()))),
    WHOLE
  )
  const error = new Error('from our stage')
  const fails: Stage<Uint8Array> = async function* failsStage() {
    yield CHUNKS[0]!
    throw error
  }
  const items = new Watched<Uint8Array>(CHUNKS)
  await assert.rejects(bytes(pull(items, toIterTransform(fails))), thrown => thrown === error)
})
