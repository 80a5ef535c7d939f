/** What has frames in memory, and can do without. */
export interface FrameHolder {
  /** Bytes of the frames that it has in memory. */
  readonly memoryBytes: number
  /** Lets go of them: they are read again when they are needed. */
  forget(): void
}

/** Bounds what several archives have in memory together: the one that was used the longest ago lets go first. */
export class FrameMemory {
  /** Last used last. */
  readonly #holders = new Set<FrameHolder>()

  constructor(readonly maxBytes: number) {}

  used(holder: FrameHolder): void {
    this.#holders.delete(holder)
    this.#holders.add(holder)
  }

  /** Call it when a holder, the one that was used last, has more in memory than before. */
  bound(): void {
    let bytes = 0
    for (const { memoryBytes } of this.#holders) bytes += memoryBytes
    for (const oldest of this.#holders) {
      if (bytes <= this.maxBytes || this.#holders.size === 1) return
      bytes -= oldest.memoryBytes
      oldest.forget()
      this.#holders.delete(oldest)
    }
  }
}
