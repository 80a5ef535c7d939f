interface Asking<T> {
  resolve(next: IteratorResult<T, undefined>): void
  reject(error: unknown): void
}

/**
 * Hands items over to a consumer that pulls, one at a time. `give` resolves when the next one is asked for: a generator
 * has yielded all that it makes of the item by then. Of a consumer that stops, whoever runs it tells `fail`.
 * Memory: one item.
 */
export class Handover<T> implements AsyncIterableIterator<T, undefined> {
  #asking: Asking<T> | undefined
  #waiting: Asking<T> | undefined
  #isEnded = false
  #isAtEnd = false
  #failure: { readonly error: unknown } | undefined

  /** @throws what it failed with. */
  async give(item: T): Promise<void> {
    await this.#asked()
    const asking = this.#asking!
    this.#asking = undefined
    asking.resolve({ done: false, value: item })
    await this.#asked()
  }

  end(): void {
    this.#isEnded = true
    if (this.#asking === undefined) return
    this.#isAtEnd = true
    this.#asking.resolve({ done: true, value: undefined })
  }

  /** Whether the consumer has been told that nothing more comes. */
  get isAtEnd(): boolean {
    return this.#isAtEnd
  }

  /** Ends it with an error for both sides. The first one counts. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#asking?.reject(error)
    this.#waiting?.reject(error)
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure.error)
      else if (this.#isEnded) {
        this.#isAtEnd = true
        resolve({ done: true, value: undefined })
      } else {
        this.#asking = { resolve, reject }
        this.#waiting?.resolve({ done: true, value: undefined })
      }
    })
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#asking = undefined
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #asked(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#asking !== undefined) return
    await new Promise<unknown>((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
    this.#waiting = undefined
  }
}
