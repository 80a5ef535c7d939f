import { untilAbort } from '../flow/abortable.js'
import type { Sink, Source, Stage, StageContext } from '../types.js'

/** By its symbol, an object says how Node's `stream/iter` reads it; the symbol needs no flag. */
const TO_ASYNC_STREAMABLE = Symbol.for('Stream.toAsyncStreamable')

/** Bytes as Node's `stream/iter` has them: several chunks at a time. */
export type IterBatch = readonly Uint8Array[]

/** What `stream/iter` reads: batches, or an object that its protocol makes them of. */
export type IterSource = AsyncIterable<IterBatch> | object

/** What `stream/iter` gives to transforms and writers. */
export interface IterOptions {
  readonly signal?: AbortSignal | undefined
}

/** A transform of `stream/iter` with a state of its own. */
export interface StatefulIterTransform {
  /** Gets batches, and `null` at the end. */
  transform(source: AsyncIterable<IterBatch | null>, options: IterOptions): unknown
}

/** A transform of `stream/iter`: it gets batches, and `null` at the end; what it gives has one of many shapes. */
export type IterTransform = ((batch: IterBatch | null, options: IterOptions) => unknown) | StatefulIterTransform

/** A writer of `stream/iter`. */
export interface IterWriter {
  /** Resolves when it has taken the chunk. */
  write(chunk: Uint8Array, options: IterOptions): unknown
  /** Everything has been written. */
  end?(options: IterOptions): unknown
  /** Nothing more comes, because of an error. */
  fail?(reason: unknown): unknown
}

/** The chunks of a readable of `stream/iter`, as a source for `pipe`. Memory: one batch. @throws what it throws */
export async function* fromIter(source: IterSource): AsyncGenerator<Uint8Array, void, undefined> {
  const protocol = (source as Record<symbol, unknown>)[TO_ASYNC_STREAMABLE]
  yield* chunksOf(typeof protocol === 'function' ? await protocol.call(source) : source)
}

/**
 * A stage of bytes as a transform of `stream/iter`, for its `pull` and `pipeTo`. A source of ours needs no adapter there:
 * an async iterable of chunks is one of its sources. Memory: that of the stage.
 */
export function toIterTransform(stage: Stage<Uint8Array>): StatefulIterTransform {
  if (typeof stage !== 'function') throw new TypeError('toIterTransform takes a stage')
  return {
    async *transform(source, { signal }) {
      for await (const chunk of stage(withoutEnd(source), { signal })) yield [chunk]
    }
  }
}

/** A transform of `stream/iter` as a stage: compression of `zlib/iter`. Memory: that of the transform, and a batch. */
export function fromIterTransform(transform: IterTransform): Stage<Uint8Array> {
  if (typeof transform === 'function') {
    return async function* iterTransformStage(source, { signal } = {}) {
      for await (const chunk of source) yield* chunksOf(await transform([chunk], { signal }))
      yield* chunksOf(await transform(null, { signal }))
    }
  }
  if (typeof transform?.transform !== 'function') throw new TypeError('fromIterTransform takes a transform')
  return async function* iterTransformStage(source, { signal } = {}) {
    yield* chunksOf(transform.transform(withEnd(source), { signal }))
  }
}

/**
 * A writer of `stream/iter` as a sink: each chunk is written when the one before has been. Resolves when the writer has
 * ended, to what its `end` gives. An error of the source fails the writer.
 *
 * @throws what the source or the writer throws, and the signal's reason.
 */
export function fromIterWriter(writer: IterWriter): Sink<Uint8Array, unknown> {
  if (typeof writer?.write !== 'function') throw new TypeError('fromIterWriter takes a writer')
  return async function iterWriterSink(source, { signal }: StageContext = {}) {
    try {
      for await (const chunk of source) await untilAbort(Promise.resolve(writer.write(chunk, { signal })), signal)
      return await untilAbort(Promise.resolve(writer.end?.({ signal })), signal)
    } catch (error) {
      await writer.fail?.(error)
      throw error
    }
  }
}

async function* withoutEnd(source: AsyncIterable<IterBatch | null>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const batch of source) if (batch !== null) yield* batch
}

async function* withEnd(source: Source<Uint8Array>): AsyncGenerator<IterBatch | null, void, undefined> {
  for await (const chunk of source) yield [chunk]
  yield null
}

/** Whatever shape a transform or a protocol gives: nothing, bytes, text, or any of these one after the other. */
async function* chunksOf(given: unknown): AsyncGenerator<Uint8Array, void, undefined> {
  if (given === null || given === undefined) return
  if (typeof given === 'string') yield Buffer.from(given)
  else if (ArrayBuffer.isView(given)) yield new Uint8Array(given.buffer, given.byteOffset, given.byteLength)
  else if (given instanceof ArrayBuffer) yield new Uint8Array(given)
  else if (Symbol.asyncIterator in Object(given) || Symbol.iterator in Object(given)) {
    for await (const part of given as AsyncIterable<unknown>) yield* chunksOf(part)
  } else throw new TypeError('stream/iter has no such bytes')
}
