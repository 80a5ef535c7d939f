import { type Batched, batches, type Source } from '../types.js'
import { hasBatches, isBatch } from './batches.js'

/**
 * Pulls a source item by item, for loops that a `for await` cannot express: merges, and pulls that can be broken off.
 *
 * Nothing is touched before the first pull, and nothing is read ahead. A synchronous source costs no promise, and one
 * that gives batches a promise for each batch: a batch is drained before the next is pulled.
 * A pull that is broken off leaves the source parked: `close` calls its `return()` then, but does not wait for it. A
 * Node or streamx stream is destroyed and not waited for, either: what it reads ahead may be parked. A web stream is
 * cancelled.
 */
export class Cursor<T> {
  readonly #source: Source<T>
  #iterator: AsyncIterator<T> | Iterator<T> | undefined
  #batches: AsyncGenerator<Batched<T>, void, undefined> | undefined
  #batch: Iterator<T> | undefined
  #isAsync = false
  #isParked = false
  #isDone = false
  #broken: { readonly error: unknown } | undefined
  #break: ((error: unknown) => void) | undefined

  constructor(source: Source<T>) {
    this.#source = source
  }

  /** The next item: a promise only where the source is asynchronous. One pull at a time. */
  next(): IteratorResult<T> | Promise<IteratorResult<T>> {
    if (this.#broken !== undefined) throw this.#broken.error
    if (this.#batch !== undefined) {
      const next = this.#nextOfBatch(this.#batch)
      if (!next.done) return next
    }
    if (hasBatches(this.#source)) return this.#nextBatch((this.#batches ??= this.#source[batches]()))
    this.#iterator ??= this.#open()
    if (this.#isAsync) return this.#pull(this.#iterator as AsyncIterator<T>)
    try {
      const next = (this.#iterator as Iterator<T>).next()
      if (next.done) this.#isDone = true
      return next
    } catch (error) {
      this.#isDone = true
      throw error
    }
  }

  /** The rest of the batch that the last item came out of. */
  get batch(): Iterator<T> | undefined {
    return this.#batch
  }

  /** Breaks off the pull under way: it rejects with the error, and so does every later one. The first error counts. */
  break(error: unknown): void {
    this.#broken ??= { error }
    this.#break?.(this.#broken.error)
  }

  /** Closes the source, unless it is at its end or was never opened. Waits for that, unless the source is parked. */
  async close(): Promise<void> {
    const iterator = this.#batches ?? this.#iterator
    if (this.#isDone || iterator === undefined) return
    this.#isDone = true
    const closed = iterator.return?.()
    if (!this.#isParked && !isDestroyable(this.#source)) await closed
    else {
      Promise.resolve(closed).catch(() => {})
      discard(this.#source)
    }
  }

  #open(): AsyncIterator<T> | Iterator<T> {
    const source = this.#source
    this.#isAsync = Symbol.asyncIterator in source
    if (source instanceof ReadableStream) return readWeb<T>(source)
    return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  #nextOfBatch(batch: Iterator<T>): IteratorResult<T> {
    try {
      return batch.next()
    } catch (error) {
      this.break(error)
      throw error
    }
  }

  async #nextBatch(source: AsyncGenerator<Batched<T>, void, undefined>): Promise<IteratorResult<T>> {
    const { value, done } = await this.#pull(source)
    if (done) return { done, value: undefined }
    if (!isBatch(value as Batched<T>)) return { done: false, value: value as T }
    this.#batch = (value as Iterable<T>)[Symbol.iterator]()
    return this.next()
  }

  #pull<V>(iterator: AsyncIterator<V>): Promise<IteratorResult<V>> {
    this.#isParked = true
    return new Promise((resolve, reject) => {
      this.#break = reject
      const settle = () => {
        this.#isParked = false
        this.#break = undefined
      }
      Promise.resolve(iterator.next()).then(
        next => {
          settle()
          if (next.done) this.#isDone = true
          resolve(next)
        },
        error => {
          settle()
          this.#isDone = true
          reject(error)
        }
      )
    })
  }
}

/** Closes a stream that nobody reads any more: the iterator of a parked one would not pass it on. */
export function discard(stream: unknown): void {
  if (typeof stream !== 'object' || stream === null) return
  if (stream instanceof ReadableStream) {
    if (!stream.locked) stream.cancel().catch(() => {})
  } else if (isDestroyable(stream)) stream.destroy()
}

function isDestroyable(stream: object): stream is { destroy(): unknown } {
  return 'destroy' in stream && typeof stream.destroy === 'function'
}

/** As the stream's own iterator, but that `return()` cancels it even while a read is under way. */
function readWeb<T>(stream: ReadableStream<T>): AsyncIterator<T> {
  const reader = stream.getReader()
  return {
    next: () => reader.read() as Promise<IteratorResult<T>>,
    async return() {
      await reader.cancel()
      return { done: true, value: undefined }
    }
  }
}
