import type { FrameIndex, FrameSize, PlacedFrame } from '../types.js'
import { corrupt, FRAME_DECODED_MAX, FRAME_STORED_MAX } from './limits.js'

/** Frames between two kept sums: a look-up adds up at most as many sizes. */
const STRIDE = 64

/**
 * The frames of an artifact as its seek table gives them, in order.
 * Memory: 8 bytes for each frame and 16 for every 64th.
 */
export class FrameTable implements FrameIndex {
  readonly #stored: Uint32Array
  readonly #sizes: Uint32Array
  readonly #storedStarts: Float64Array
  readonly #starts: Float64Array
  readonly #name: string
  #count = 0
  #storedBytes = 0
  #sizeBytes = 0

  /** For exactly `frames` frames of the artifact `name`. */
  constructor(frames: number, name: string) {
    const sums = Math.ceil(frames / STRIDE)
    this.#name = name
    this.#stored = new Uint32Array(frames)
    this.#sizes = new Uint32Array(frames)
    this.#storedStarts = new Float64Array(sums)
    this.#starts = new Float64Array(sums)
  }

  get frames(): number {
    return this.#count
  }
  get sizeBytes(): number {
    return this.#sizeBytes
  }
  get storedBytes(): number {
    return this.#storedBytes
  }

  /** @throws BackupError IBT_ARCHIVE_CORRUPT for a frame beyond the limits. */
  add({ storedBytes, sizeBytes }: FrameSize): void {
    checkFrameSize({ storedBytes, sizeBytes }, this.#name)
    const index = this.#count++
    if (index % STRIDE === 0) {
      this.#storedStarts[index / STRIDE] = this.#storedBytes
      this.#starts[index / STRIDE] = this.#sizeBytes
    }
    this.#stored[index] = storedBytes
    this.#sizes[index] = sizeBytes
    this.#storedBytes += storedBytes
    this.#sizeBytes += sizeBytes
  }

  frame(index: number): PlacedFrame {
    const group = Math.floor(index / STRIDE)
    let storedStart = this.#storedStarts[group]!
    let start = this.#starts[group]!
    for (let i = group * STRIDE; i < index; i++) {
      storedStart += this.#stored[i]!
      start += this.#sizes[i]!
    }
    return { storedStart, start, storedBytes: this.#stored[index]!, sizeBytes: this.#sizes[index]! }
  }

  find(offset: number): number {
    let low = 0
    let high = this.#starts.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#starts[middle]! <= offset) low = middle
      else high = middle
    }
    let index = low * STRIDE
    for (let end = this.#starts[low]! + this.#sizes[index]!; end <= offset; end += this.#sizes[index]!) index++
    return index
  }
}

/** @throws BackupError IBT_ARCHIVE_CORRUPT for a frame beyond the limits. */
export function checkFrameSize({ storedBytes, sizeBytes }: FrameSize, name: string): void {
  if (sizeBytes > FRAME_DECODED_MAX)
    throw corrupt(name, `a frame of ${sizeBytes} bytes, more than ${FRAME_DECODED_MAX}`)
  if (storedBytes > FRAME_STORED_MAX) {
    throw corrupt(name, `a stored frame of ${storedBytes} bytes, more than ${FRAME_STORED_MAX}`)
  }
}
