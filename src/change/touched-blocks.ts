import type { Extent } from '../types.js'

/** Bytes from `start` up to but not including `end`. */
export interface TouchedRange {
  readonly start: number
  readonly end: number
}

/** The blocks of a content that may differ from those of its basis. Memory: one bit a block. */
export class TouchedBlocks {
  readonly blocks: number
  readonly #touched: Uint8Array

  constructor(
    readonly blockLen: number,
    /** Of the basis. */
    readonly basisBytes: number,
    readonly sizeBytes: number
  ) {
    this.blocks = Math.ceil(sizeBytes / blockLen)
    this.#touched = new Uint8Array(Math.ceil(this.blocks / 8))
    // The last block of the shorter one has another length now, and what is behind it is new.
    if (basisBytes !== sizeBytes) this.#touch(Math.min(basisBytes, sizeBytes), sizeBytes)
  }

  /** @throws RangeError for an extent that makes no sense */
  add({ offset, sizeBytes }: Extent): void {
    if (!isCount(offset) || !isCount(sizeBytes)) {
      throw new RangeError(`An extent has whole numbers as offset and sizeBytes, not ${offset} and ${sizeBytes}`)
    }
    if (sizeBytes > 0) this.#touch(offset, Math.min(offset + sizeBytes, this.sizeBytes))
  }

  /** Up to the block that `end` is in, or ends. */
  #touch(start: number, end: number): void {
    const last = Math.ceil(end / this.blockLen)
    for (let block = Math.floor(start / this.blockLen); block < last; block++)
      this.#touched[block >> 3]! |= 1 << (block & 7)
  }

  /** Bytes of them all. */
  get readBytes(): number {
    let bytes = 0
    for (const { start, end } of this.ranges(Number.MAX_SAFE_INTEGER)) bytes += end - start
    return bytes
  }

  /** Blocks in a row, in order: as many as have at most so many bytes, or one. */
  *ranges(maxBytes: number): Generator<TouchedRange, void, undefined> {
    const { blockLen, sizeBytes } = this
    const most = Math.max(1, Math.floor(maxBytes / blockLen))
    for (let block = 0; block < this.blocks; block++) {
      if (this.#touched[block >> 3] === 0) block |= 7
      else if (this.#has(block)) {
        const first = block
        while (block + 1 < this.blocks && block + 1 - first < most && this.#has(block + 1)) block++
        yield { start: first * blockLen, end: Math.min((block + 1) * blockLen, sizeBytes) }
      }
    }
  }

  #has(block: number): boolean {
    return (this.#touched[block >> 3]! & (1 << (block & 7))) !== 0
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
