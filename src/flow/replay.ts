import type { Source } from '../types.js'
import { Cursor } from './cursor.js'
import { Spool } from './spool.js'

/** Where a replay keeps what it has read. */
export interface ReplayOptions {
  /** Bytes that are buffered in memory; more go to a file without a name. */
  readonly memoryBytes: number
  readonly directory: string
}

/**
 * A source that can be read again from its beginning. It is pulled only when a reader needs what was not read before, so
 * the first reader waits for nothing. A new reader may begin while an earlier one still waits.
 * Memory: `memoryBytes` and one chunk.
 */
export class Replay {
  readonly #cursor: Cursor<Uint8Array>
  readonly #options: ReplayOptions
  #chunks: Uint8Array[] = []
  #spool: Spool | undefined
  #sizeBytes = 0
  #last: { readonly offset: number; readonly chunk: Uint8Array } | undefined
  #hasEnded = false
  #isLost = false
  #pulling: Promise<void> | undefined
  /** What the source failed with. */
  failure: { readonly error: unknown } | undefined

  constructor(source: Source<Uint8Array>, options: ReplayOptions) {
    this.#cursor = new Cursor(source)
    this.#options = options
  }

  /** Bytes that were read of the source. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** False if what was read could not be kept: the file system of the spool is full. */
  get isReplayable(): boolean {
    return !this.#isLost
  }

  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    let at = 0
    for (let index = 0; ; ) {
      if (at === this.#sizeBytes) {
        if (this.failure !== undefined) throw this.failure.error
        if (this.#hasEnded) return
        await this.#pull()
        continue
      }
      if (this.#last?.offset === at) {
        at += this.#last.chunk.length
        index++
        yield this.#last.chunk
      } else if (this.#spool !== undefined) {
        for await (const chunk of this.#spool.read({ offset: at, sizeBytes: this.#sizeBytes - at })) {
          at += chunk.length
          yield chunk
        }
      } else {
        const chunk = this.#chunks[index++]!
        at += chunk.length
        yield chunk
      }
    }
  }

  /** Ends a pull that is under way, and all later ones, with an error. */
  break(error: unknown): void {
    this.#cursor.break(error)
  }

  /** Closes the source and forgets what was read. */
  async close(): Promise<void> {
    await this.#cursor.close()
    await this.#spool?.close()
  }

  #pull(): Promise<void> {
    this.#pulling ??= this.#pullNext().finally(() => {
      this.#pulling = undefined
    })
    return this.#pulling
  }

  async #pullNext(): Promise<void> {
    try {
      const { value, done } = await this.#cursor.next()
      if (done) this.#hasEnded = true
      else if (value.length > 0) await this.#keep(value)
    } catch (error) {
      this.failure = { error }
    }
  }

  async #keep(chunk: Uint8Array): Promise<void> {
    const offset = this.#sizeBytes
    try {
      if (this.#spool === undefined && offset + chunk.length <= this.#options.memoryBytes) {
        // A chunk may be a part of a large block, which would stay in memory.
        this.#chunks.push(2 * chunk.length < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk)
      } else if (!this.#isLost) {
        await this.#toSpool().then(spool => spool.append(chunk))
      }
    } catch {
      this.#isLost = true
    }
    this.#last = { offset, chunk }
    this.#sizeBytes += chunk.length
  }

  async #toSpool(): Promise<Spool> {
    if (this.#spool !== undefined) return this.#spool
    this.#spool = new Spool(this.#options.directory)
    const chunks = this.#chunks
    this.#chunks = []
    for (const chunk of chunks) await this.#spool.append(chunk)
    return this.#spool
  }
}
