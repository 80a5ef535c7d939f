import { finished } from 'node:stream'
import { BackupError } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { Cursor } from '../flow/cursor.js'
import type { Source } from '../types.js'

/** The parts of a Node or streamx stream that tell what it is; `never` takes the events of either. */
export interface NodeWritable {
  /** Takes a chunk; false: wait for `drain`. */
  write(chunk: never, ...rest: never[]): unknown
  /** No more chunks come. */
  end(...rest: never[]): unknown
  /** Breaks off. */
  destroy(error?: never): unknown
  /** Listens to an event. */
  on(event: never, listener: never): unknown
}

/** What both kinds of stream do. `destroying` is streamx's: its `destroyed` comes later. */
interface Stream {
  readonly destroyed?: boolean
  readonly destroying?: boolean
  write(chunk: unknown): unknown
  end(): unknown
  destroy(error: Error): unknown
  on(event: string, listener: (error: unknown) => void): unknown
  off(event: string, listener: () => void): unknown
}

/**
 * Writes a source into a Node or streamx stream: one item at a time, waiting for `drain`, then for `finish`.
 * Every wait ends at once when either side fails; the stream is destroyed then, and the source closed.
 */
export class Feed {
  readonly #cursor: Cursor<unknown>
  readonly #stream: Stream
  readonly #onFail: ((error: unknown) => void) | undefined
  #failure: { readonly error: unknown } | undefined
  #isEnding = false
  #isFinished = false
  #wake: (() => void) | undefined
  #reject: ((error: unknown) => void) | undefined

  /** `onFail` gets the first error at once: a stream may take for ever to be destroyed. */
  constructor(source: Source<unknown>, stream: NodeWritable, onFail?: (error: unknown) => void) {
    this.#cursor = new Cursor(source)
    this.#stream = stream as unknown as Stream
    this.#onFail = onFail
  }

  /** Why it failed, if it did. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  async run(): Promise<void> {
    const wake = () => this.#wake?.()
    this.#watch()
    this.#stream.on('drain', wake)
    try {
      await this.#writeAll()
      this.#isEnding = true
      this.#stream.end()
      while (!this.#isFinished) await this.#wait()
    } catch (error) {
      this.fail(error)
      throw this.#failure!.error
    } finally {
      this.#stream.off('drain', wake)
      await this.#cursor.close()
    }
  }

  /** Ends it with an error. The first one counts. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#cursor.break(error)
    this.#reject?.(error)
    this.#onFail?.(error)
    this.#stream.destroy(error instanceof Error ? error : new Error('The pipeline was aborted', { cause: error }))
  }

  async #writeAll(): Promise<void> {
    const breather = createBreather()
    for (;;) {
      if (breather.due()) await breather.pause()
      const pulled = this.#cursor.next()
      const { value, done } = pulled instanceof Promise ? await pulled : pulled
      if (done) return
      if (this.#isClosing() || this.#stream.write(value) === false) await this.#wait()
    }
  }

  /** A write into a stream that is being destroyed says nothing: the error that `#watch` waits for does. */
  #isClosing(): boolean {
    return this.#stream.destroyed === true || this.#stream.destroying === true
  }

  /** The listeners stay, so that an error after the end does not become an uncaught one. */
  #watch(): void {
    this.#stream.on('error', error => this.fail(error))
    finished(this.#stream as never, { readable: false }, error => {
      if (error) this.fail(error)
      else if (this.#isEnding) {
        this.#isFinished = true
        this.#wake?.()
      } else this.fail(new BackupError('IBT_WRITE_FAILED', 'A stream ended before all was written to it'))
    })
  }

  #wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure.error)
      this.#wake = resolve
      this.#reject = reject
    })
  }
}
