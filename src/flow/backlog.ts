interface Waiting {
  readonly limitBytes: number
  readonly resolve: () => void
}

/**
 * Chunks that wait for one reader, counted in bytes. Its writer never waits in `push`: it asks for room.
 * Memory: what was pushed and not read.
 */
export class Backlog implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = []
  #sizeBytes = 0
  #hasEnded = false
  #failure: { readonly error: unknown } | undefined
  #wakeReader: (() => void) | undefined
  #waiting: Waiting[] = []

  /** Bytes that wait. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  push(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return
    this.#chunks.push(chunk)
    this.#sizeBytes += chunk.length
    this.#wakeReader?.()
  }

  end(): void {
    this.#hasEnded = true
    this.#wakeReader?.()
  }

  /** Ends it with an error for the reader; what waits is dropped. The first error counts. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#chunks = []
    this.#sizeBytes = 0
    this.#wakeReader?.()
    this.#letGo()
  }

  /** Resolves when fewer bytes wait, or when it has failed. */
  below(limitBytes: number): Promise<void> {
    if (this.#sizeBytes < limitBytes || this.#failure !== undefined) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push({ limitBytes, resolve }))
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        this.#sizeBytes -= chunk.length
        this.#letGo()
        yield chunk
      } else if (this.#hasEnded) return
      else {
        await new Promise<void>(resolve => {
          this.#wakeReader = resolve
        })
      }
    }
  }

  #letGo(): void {
    const isOver = this.#failure !== undefined
    const waiting = this.#waiting
    this.#waiting = []
    for (const one of waiting) {
      if (isOver || this.#sizeBytes < one.limitBytes) one.resolve()
      else this.#waiting.push(one)
    }
  }
}
