import { keptBytes } from '../change/runs.js'
import { PACK_PENDING_BYTES, PACK_PENDING_ENTRIES } from '../constants.js'
import type { ArchiveWriter } from '../format/archive-writer.js'
import type { Piece } from '../types.js'

/** Items in order, each held back until all bytes that were written before it are in frames. */
export class HeldBack<T extends object> {
  readonly #items: { readonly item: T; readonly marks: readonly number[] }[] = []
  #head = 0
  #keptBytes = 0

  constructor(readonly writers: readonly ArchiveWriter[]) {}

  get isFull(): boolean {
    return this.#length > PACK_PENDING_ENTRIES || this.#keptBytes > PACK_PENDING_BYTES
  }

  get #length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#keptBytes += keptBytes(item)
    this.#items.push({ item, marks: this.writers.map(writer => writer.offset) })
  }

  /** The frames that are full, then the items whose bytes have all gone ahead. */
  *take(): Generator<Piece | T, void, undefined> {
    for (const writer of this.writers) yield* writer.takePieces()
    for (; this.#length > 0; this.#head++) {
      const { item, marks } = this.#items[this.#head]!
      if (this.writers.some((writer, i) => writer.flushedBytes < marks[i]!)) break
      this.#keptBytes -= keptBytes(item)
      yield item
    }
    if (this.#head > 1024 || this.#length === 0) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
  }
}
