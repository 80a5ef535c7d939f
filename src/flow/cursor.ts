import type { Source } from '../types.js'

const GROUPS = Symbol('groups')

/** Items, several at hand at a time: only a new group costs a promise. A group is drained before the next is pulled. */
export type Groups<T> = AsyncGenerator<Iterable<T>, void, undefined>

interface GroupedSource<T> extends AsyncIterable<T> {
  [GROUPS](): Groups<T>
}

/** A source of the items of groups, which a `Cursor` pulls group by group. Nothing is opened before the first pull. */
export function grouped<T>(open: () => Groups<T>): AsyncIterable<T> {
  const source: GroupedSource<T> = {
    [GROUPS]: open,
    async *[Symbol.asyncIterator]() {
      for await (const group of open()) yield* group
    }
  }
  return source
}

/** Whether a source was made of groups. */
export function isGrouped<T>(source: Source<T>): source is GroupedSource<T> {
  return GROUPS in source
}

/**
 * Pulls a source item by item, for loops that a `for await` cannot express: merges, and pulls that can be broken off.
 *
 * Nothing is touched before the first pull, and nothing is read ahead. A synchronous source costs no promise, and a
 * grouped one a promise for each group.
 * A pull that is broken off leaves the source parked: `close` calls its `return()` then, but does not wait for it. A
 * Node or streamx stream is destroyed and not waited for, either: what it reads ahead may be parked. A web stream is
 * cancelled.
 */
export class Cursor<T> {
  readonly #source: Source<T>
  #iterator: AsyncIterator<T> | Iterator<T> | undefined
  #groups: Groups<T> | undefined
  #group: Iterator<T> | undefined
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
    if (this.#group !== undefined) {
      const next = this.#nextOfGroup(this.#group)
      if (!next.done) return next
    }
    if (isGrouped(this.#source)) return this.#nextGroup((this.#groups ??= this.#source[GROUPS]()))
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

  /** The group that the last item came out of. */
  get group(): Iterator<T> | undefined {
    return this.#group
  }

  /** Breaks off the pull under way: it rejects with the error, and so does every later one. The first error counts. */
  break(error: unknown): void {
    this.#broken ??= { error }
    this.#break?.(this.#broken.error)
  }

  /** Closes the source, unless it is at its end or was never opened. Waits for that, unless the source is parked. */
  async close(): Promise<void> {
    const iterator = this.#groups ?? this.#iterator
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

  #nextOfGroup(group: Iterator<T>): IteratorResult<T> {
    try {
      return group.next()
    } catch (error) {
      this.break(error)
      throw error
    }
  }

  async #nextGroup(groups: Groups<T>): Promise<IteratorResult<T>> {
    const { value, done } = await this.#pull(groups)
    if (done) return { done, value: undefined }
    this.#group = value[Symbol.iterator]()
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
