import type { Source } from '../types.js'
import { Cursor } from './cursor.js'
import { ownMemory } from './memory.js'
import { Spool } from './spool.js'

/** Where a replay keeps what it has read. */
export interface ReplayOptions {
  /** Bytes that are buffered in memory; more go to a file without a name. */
  readonly memoryBytes: number
  readonly directory: string
}

/**
 * A source that can be read again from its beginning. It is pulled only when a reader needs what was not read before. The
 * first reader has a chunk while that goes to disk, and waits at the next one at most. A new reader may begin while an
 * earlier one still waits. Memory: `memoryBytes` and two chunks.
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
  /** Resolves when all that was read is buffered. */
  #kept = Promise.resolve()
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

  /** Whether what was read can be read again. Not if the source has failed, or the file system of the spool is full. */
  async isReplayable(): Promise<boolean> {
    await this.#kept
    return !this.#isLost && this.failure === undefined
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
        const sizeBytes = this.#sizeBytes - at
        await this.#kept
        for await (const chunk of this.#spool.read({ offset: at, sizeBytes })) {
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
    await this.#kept
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
      else if (value.length > 0) {
        await this.#kept
        this.#keep(value)
      }
    } catch (error) {
      this.failure = { error }
    }
  }

  #keep(chunk: Uint8Array): void {
    const offset = this.#sizeBytes
    const isLarge = this.#spool !== undefined || offset + chunk.length > this.#options.memoryBytes
    if (!isLarge) this.#chunks.push(ownMemory(chunk))
    else if (!this.#isLost) this.#kept = this.#append(chunk)
    this.#last = { offset, chunk }
    this.#sizeBytes += chunk.length
  }

  /** Never rejects. */
  async #append(chunk: Uint8Array): Promise<void> {
    this.#spool ??= new Spool(this.#options.directory)
    const chunks = [...this.#chunks.splice(0), chunk]
    try {
      for (const waiting of chunks) await this.#spool.append(waiting)
    } catch {
      this.#isLost = true
    }
  }
}
