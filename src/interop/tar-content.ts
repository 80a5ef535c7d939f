import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import type { Content } from '../types.js'

/** The stream of one entry as tar-stream makes it. */
export type EntryStream = AsyncIterable<Uint8Array>

/**
 * A content that passes by in a tar: it is read while its entry is the current one. Its stream's own iterator would
 * destroy the whole tar when a reader stops early, so it is never closed: `drain` reads what is left.
 */
export class SequentialContent implements Content {
  readonly #name: string
  readonly #chunks: AsyncIterator<Uint8Array>
  #pull: Promise<IteratorResult<Uint8Array>> | undefined
  #isOpened = false
  #isPast = false

  /** `toError`: makes of the stream's errors those that its readers get. */
  constructor(
    stream: EntryStream,
    name: string,
    readonly toError: (error: unknown) => unknown
  ) {
    this.#name = name
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  /** @throws BackupError IBT_READ_FAILED the second time, and when the tar has gone on. */
  open(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#isOpened) throw this.#error('was opened before')
    this.#isOpened = true
    return this.#read()
  }

  /** Reads past what is left of it. */
  async drain(): Promise<void> {
    this.#isPast = true
    await this.#pull
    while (!(await this.#next()).done);
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      if (this.#isPast) throw this.#error('has passed by')
      const { value, done } = await this.#next()
      if (done) return
      yield value
    }
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    this.#pull = this.#chunks.next().catch(error => {
      throw this.toError(error)
    })
    return this.#pull
  }

  #error(what: string): BackupError {
    const path = this.#name
    return new BackupError('IBT_READ_FAILED', `The content of ${printPath(path)} in a tar ${what}`, { path })
  }
}
