import type { Sink, Source, Stage } from '../types.js'

export interface WebTransform {
  readonly readable: ReadableStream
  readonly writable: WritableStream
}

export function isWebWritable(value: unknown): value is WritableStream {
  return typeof value === 'object' && value !== null && 'getWriter' in value
}

export function isWebTransform(value: unknown): value is WebTransform {
  if (typeof value !== 'object' || value === null || !('readable' in value) || !('writable' in value)) return false
  return (
    isWebWritable(value.writable) && typeof value.readable === 'object' && 'getReader' in (value.readable as object)
  )
}

/** A web writable as a sink: waits for `ready`; on an error it is aborted with it. */
export function toWebSink(stream: WritableStream): Sink<unknown> {
  return async function webSink(source) {
    const writer = stream.getWriter()
    writer.closed.catch(() => {})
    try {
      for await (const chunk of source) {
        await writer.ready
        await writer.write(chunk)
      }
      await writer.close()
    } catch (error) {
      await writer.abort(error).catch(() => {})
      throw error
    } finally {
      writer.releaseLock()
    }
  }
}

/** A web transform as a stage. Look-ahead and memory: those of its queues. */
export function fromWebTransform<A = unknown, B = unknown>({ readable, writable }: WebTransform): Stage<A, B> {
  return async function* webTransformStage(source, context) {
    let failure: { readonly error: unknown } | undefined
    const written = toWebSink(writable)(source, context)
    written.catch(error => {
      failure = { error }
    })
    try {
      for await (const chunk of readable as unknown as AsyncIterable<B>) yield chunk
      await written
    } catch (error) {
      throw failure === undefined ? error : failure.error
    }
  }
}

/** A source as a web ReadableStream. It is pulled one item at a time. */
export function toWebReadable<T>(source: Source<T>): ReadableStream<T> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const { value, done } = await iterator.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await iterator.return?.()
      }
    },
    { highWaterMark: 0 }
  )
}
