import { createBreather } from '../flow/breathe.js'
import { Cursor } from '../flow/cursor.js'
import { onAbort } from '../flow/on-abort.js'
import type { Sink, Source, Stage } from '../types.js'

/** A pair of web streams: what is written to one is read from the other. */
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

/**
 * A web writable as a sink: one write at a time, then `close`.
 *
 * No look-ahead. Memory: the stream's queue. On an error or abort the stream is aborted with it, and the source closed.
 *
 * @throws TypeError at the call for anything that is not a web writable; what the stream or the source fails with.
 */
export function toWebWritable(stream: WritableStream): Sink<unknown> {
  if (!isWebWritable(stream)) throw new TypeError('toWebWritable: a WritableStream is expected')
  return async function webSink(source, { signal } = {}) {
    const feed = new WebFeed(source, stream)
    const stopListening = onAbort(signal, reason => feed.fail(reason))
    try {
      await feed.run()
    } finally {
      stopListening()
    }
  }
}

/**
 * A web transform, or any pair of a readable and a writable, as a stage. It runs once.
 *
 * Look-ahead and memory: its queues. On an error, an abort or a consumer that stops, both streams are given up and the
 * source is closed.
 *
 * @throws TypeError at the call for anything else; what the stream or the source fails with.
 */
export function fromWebTransform<A = unknown, B = unknown>(transform: WebTransform): Stage<A, B> {
  if (!isWebTransform(transform)) throw new TypeError('fromWebTransform: a TransformStream is expected')
  return async function* webTransformStage(source, { signal } = {}) {
    const feed = new WebFeed(source, transform.writable)
    const reader = transform.readable.getReader()
    const giveUp = (reason: unknown) => {
      feed.fail(reason)
      reader.cancel(reason).catch(() => {})
    }
    const stopListening = onAbort(signal, giveUp)
    const fed = feed.run()
    fed.catch(() => {})
    try {
      for (;;) {
        const { value, done } = await reader.read()
        if (done) break
        yield value as B
      }
      await fed
    } catch (error) {
      throw feed.failure === undefined ? error : feed.failure.error
    } finally {
      stopListening()
      giveUp(new Error('The consumer stopped'))
      await fed.catch(() => {})
    }
  }
}

/** Writes a source into a web writable. Every wait ends at once when either side fails. */
class WebFeed {
  readonly #cursor: Cursor<unknown>
  readonly #writer: WritableStreamDefaultWriter
  #failure: { readonly error: unknown } | undefined
  #reject: ((error: unknown) => void) | undefined

  constructor(source: Source<unknown>, stream: WritableStream) {
    this.#cursor = new Cursor(source)
    this.#writer = stream.getWriter()
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  async run(): Promise<void> {
    const breather = createBreather()
    this.#writer.closed.catch(error => this.fail(error))
    try {
      for (;;) {
        if (breather.due()) await breather.pause()
        const { value, done } = await this.#cursor.next()
        if (done) break
        await this.#wait(this.#writer.ready)
        await this.#wait(this.#writer.write(value))
      }
      await this.#wait(this.#writer.close())
    } catch (error) {
      this.fail(error)
      throw this.#failure!.error
    } finally {
      await this.#cursor.close()
    }
  }

  /** Ends it with an error. The first one counts. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#cursor.break(error)
    this.#reject?.(error)
    this.#writer.abort(error).catch(() => {})
  }

  #wait(promise: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure.error)
      this.#reject = reject
      promise.then(resolve, reject)
    })
  }
}

/**
 * A source as a web ReadableStream. It is pulled one item at a time, and not before the stream is read; cancelling the
 * stream closes it.
 */
export function toWebReadable<T>(source: Source<T>): ReadableStream<T> {
  const cursor = new Cursor(source)
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const { value, done } = await cursor.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel(reason) {
        cursor.break(reason)
        await cursor.close()
      }
    },
    { highWaterMark: 0 }
  )
}
