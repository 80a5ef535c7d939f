/**
 * Items from a producer that pushes to a consumer that pulls.
 * Memory: `capacity` items. A consumer that stops early, and an error of either side, settles the other.
 */
export class Channel<T> implements AsyncIterable<T> {
  #items: T[] = []
  #ended = false
  #failed = false
  #error: unknown
  #wakeProducer: (() => void) | undefined
  #wakeConsumer: (() => void) | undefined

  constructor(readonly capacity = 1) {}

  /** Resolves when fewer items than `capacity` wait. @throws what the consumer failed with. */
  async push(item: T): Promise<void> {
    this.#check()
    this.#items.push(item)
    this.#wakeConsumer?.()
    if (this.#items.length >= this.capacity) {
      await new Promise<void>(resolve => {
        this.#wakeProducer = resolve
      })
    }
    this.#check()
  }

  end(): void {
    this.#ended = true
    this.#wakeConsumer?.()
  }

  /** Ends it with an error for both sides. The first one counts. */
  fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#error = error
    this.#wakeConsumer?.()
    this.#wakeProducer?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        this.#check()
        if (this.#items.length > 0) {
          const item = this.#items.shift()!
          this.#wakeProducer?.()
          yield item
        } else if (this.#ended) return
        else {
          await new Promise<void>(resolve => {
            this.#wakeConsumer = resolve
          })
        }
      }
    } finally {
      if (!this.#ended) this.fail(new Error('The consumer stopped before the end'))
    }
  }

  #check(): void {
    if (this.#failed) throw this.#error
  }
}
