import { Duplex } from 'node:stream'
import { Cursor } from '../flow/cursor.js'
import type { Stage } from '../types.js'
import { Pusher } from './push.js'

/**
 * A stage as a `node:stream` Duplex of objects, for `stream.pipeline()` and `.pipe()`.
 *
 * Look-ahead: the stream's buffers. Errors of the stage destroy the stream; destroying the stream ends the stage, even
 * while it waits for an item, which `Duplex.from` does not.
 */
export function stageToDuplex<A, B>(stage: Stage<A, B>): Duplex {
  if (typeof stage !== 'function') throw new TypeError('stageToDuplex: a stage is expected')
  const inlet = new Inlet<A>()
  const controller = new AbortController()
  const outlet = new Cursor<B>(stage(inlet, { signal: controller.signal }))
  const pusher = new Pusher(outlet, true)
  return new Duplex({
    objectMode: true,
    write(item: A, _encoding, done) {
      inlet.write(item, done)
    },
    final(done) {
      inlet.end()
      done()
    },
    read() {
      pusher.fill(this)
    },
    destroy(error, done) {
      const reason = error ?? new Error('The stream was destroyed')
      inlet.fail(reason)
      outlet.break(reason)
      controller.abort(reason)
      outlet.close().then(() => done(error), done)
    }
  })
}

/** The items that are written into a stream, one at a time, as a source. */
class Inlet<T> implements AsyncIterableIterator<T> {
  #held: { readonly item: T; readonly done: () => void } | undefined
  #pull: { resolve(next: IteratorResult<T>): void; reject(error: unknown): void } | undefined
  #failure: { readonly error: unknown } | undefined
  #isEnded = false

  /** Calls `done` when the item has been taken, or at once if nobody reads any more. */
  write(item: T, done: () => void): void {
    if (this.#isEnded) done()
    else if (this.#pull === undefined) this.#held = { item, done }
    else {
      this.#pull.resolve({ done: false, value: item })
      this.#pull = undefined
      done()
    }
  }

  end(): void {
    this.#isEnded = true
    this.#pull?.resolve({ done: true, value: undefined })
  }

  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#pull?.reject(error)
  }

  async next(): Promise<IteratorResult<T>> {
    if (this.#failure !== undefined) throw this.#failure.error
    const held = this.#held
    if (held !== undefined) {
      this.#held = undefined
      held.done()
      return { done: false, value: held.item }
    }
    if (this.#isEnded) return { done: true, value: undefined }
    return new Promise((resolve, reject) => {
      this.#pull = { resolve, reject }
    })
  }

  async return(): Promise<IteratorResult<T>> {
    this.#isEnded = true
    this.#held?.done()
    this.#held = undefined
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
