type Result = IteratorResult<Uint8Array, undefined>

/** A source of chunks that is fed by hand, text by text. */
export class HandSource implements AsyncIterable<Uint8Array> {
  #answer: ((result: Result) => void) | undefined
  #asked: (() => void) | undefined

  /** Resolves when the next chunk is asked for: this one has been taken. */
  async give(text: string): Promise<void> {
    await this.#settle({ value: toBytes(text), done: false })
    await this.#isAsked()
  }

  end(): Promise<void> {
    return this.#settle({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    const next = () =>
      new Promise<Result>(resolve => {
        this.#answer = resolve
        this.#asked?.()
      })
    return { next }
  }

  async #settle(result: Result): Promise<void> {
    await this.#isAsked()
    const answer = this.#answer
    this.#answer = undefined
    answer?.(result)
  }

  async #isAsked(): Promise<void> {
    if (this.#answer !== undefined) return
    await new Promise<void>(resolve => {
      this.#asked = resolve
    })
  }
}

/** Text in UTF-8. */
export function toBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
