import type { Source } from '../types.js'

/**
 * Reads exact counts of bytes from a source of chunks. Pulls no chunk that it does not need. What the source fails with
 * comes at every further pull. Memory: one chunk and the bytes asked for.
 */
export class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  #hasEnded = false
  #failure: { readonly error: unknown } | undefined

  /** @throws TypeError for bare bytes, which would iterate as numbers. */
  constructor(source: Source<Uint8Array>) {
    if (source instanceof Uint8Array)
      throw new TypeError('Expected a source of chunks, not one chunk: put it into an array')
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  /** The next `length` bytes; fewer only where the source ends. */
  async take(length: number): Promise<Uint8Array> {
    if (this.#chunk.length === 0 && length > 0) await this.#pull()
    if (this.#chunk.length >= length) return this.#cut(length)
    const parts: Uint8Array[] = []
    let missing = length
    do {
      const part = this.#cut(Math.min(missing, this.#chunk.length))
      parts.push(part)
      missing -= part.length
      if (missing > 0) await this.#pull()
    } while (missing > 0 && this.#chunk.length > 0)
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  /** Some of the next `most` bytes, as they come; none where the source ends. */
  async some(most: number): Promise<Uint8Array> {
    if (this.#chunk.length === 0) await this.#pull()
    return this.#cut(most)
  }

  /** Gives bytes back that were taken last: they come again. */
  unread(bytes: Uint8Array): void {
    this.#chunk = this.#chunk.length === 0 ? bytes : Buffer.concat([bytes, this.#chunk])
  }

  /** Whether no byte is left: pulls a chunk if it must. */
  async isAtEnd(): Promise<boolean> {
    if (this.#chunk.length === 0) await this.#pull()
    return this.#chunk.length === 0
  }

  /** Closes the source. */
  async close(): Promise<void> {
    if (this.#hasEnded) return
    this.#hasEnded = true
    await this.#iterator.return?.()
  }

  #cut(length: number): Uint8Array {
    const part = this.#chunk.subarray(0, length)
    this.#chunk = this.#chunk.subarray(length)
    return part
  }

  async #pull(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error
    while (!this.#hasEnded && this.#chunk.length === 0) {
      const result = await this.#next()
      if (result.done === true) this.#hasEnded = true
      else this.#chunk = result.value
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#iterator.next()
    } catch (error) {
      this.#hasEnded = true
      this.#failure = { error }
      throw error
    }
  }
}

/** The same bytes, with the methods of a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
