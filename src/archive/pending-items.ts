import { linesBytes } from '../change/read-queue.js'
import { PACK_PENDING_BYTES, PACK_PENDING_ENTRIES } from '../constants.js'
import { isBatch } from '../flow/batches.js'
import type { ArchiveWriter } from '../format/archive-writer.js'
import type { Batched, Piece } from '../types.js'

interface Pending<T> {
  readonly item: T
  readonly marks: readonly number[]
  readonly entries: number
  readonly bytes: number
}

/** Items in order, each pending until all bytes that were written before it are in frames. */
export class PendingItems<T extends object> {
  readonly #items: Pending<T>[] = []
  #head = 0
  #entries = 0
  #bytes = 0

  constructor(readonly writers: readonly ArchiveWriter[]) {}

  get isFull(): boolean {
    return this.#entries > PACK_PENDING_ENTRIES || this.#bytes > PACK_PENDING_BYTES
  }

  get #length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    const entries = isBatch(item) ? item.length : 1
    const bytes = linesBytes(item)
    this.#entries += entries
    this.#bytes += bytes
    this.#items.push({ item, entries, bytes, marks: this.writers.map(writer => writer.offset) })
  }

  /** The frames that are full, then the items whose bytes have all gone ahead. */
  *take(): Generator<Batched<Piece> | T, void, undefined> {
    for (const writer of this.writers) yield* writer.takePieces()
    for (; this.#length > 0; this.#head++) {
      const { item, marks, entries, bytes } = this.#items[this.#head]!
      if (this.writers.some((writer, i) => writer.flushedBytes < marks[i]!)) break
      this.#entries -= entries
      this.#bytes -= bytes
      yield item
    }
    if (this.#head > 1024 || this.#length === 0) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
  }
}
