/** Notices that the reader of an answer has taken nothing for some time. */
export class StallWatch {
  #timer: NodeJS.Timeout | undefined

  constructor(
    readonly stalledMs: number,
    readonly onStall: (error: Error) => void
  ) {}

  /** From now on it is the reader's turn. */
  begin(): void {
    const error = () => new Error(`Nobody has read the answer for ${this.stalledMs} ms`)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.onStall(error()), this.stalledMs).unref()
  }

  /** The reader has asked for more, or the answer is over. */
  end(): void {
    clearTimeout(this.#timer)
  }

  /** Passes chunks on. When all are given, the last ones may still have to be sent: `end` is the caller's then. */
  async *through(
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of chunks) {
      this.begin()
      yield chunk
      this.end()
    }
    this.begin()
  }
}
