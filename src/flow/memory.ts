/** Free memory that is kept, at most. */
const KEPT_BYTES = 32 * 1024 * 1024
/** A larger buffer than asked for is given up to this factor. */
const WASTE_MAX = 4
const ALIGNMENT = 64
/** What malloc keeps of a page that it gave for this allocation alone. */
const MALLOC_BYTES = 16

/**
 * A buffer to read a file into, or to write one from. The kernel's copy between the start of a page and 16 bytes behind
 * the start of another, where malloc puts what is large, takes 1.6 times as long as that between any other places.
 */
export function readBuffer(sizeBytes: number): Buffer {
  return Buffer.allocUnsafeSlow(sizeBytes + ALIGNMENT - MALLOC_BYTES).subarray(ALIGNMENT - MALLOC_BYTES)
}

/**
 * Buffers that are used again, for stages that stand side by side: `sign` reads into them, `pack` copies out of them into
 * others, and `encode` gives those back. What a stage between them kept would change under it: none may be there.
 * Buffers that are not from here are ignored, so that every `done` may be called with any bytes.
 * Memory: up to 32 MiB that nobody uses. What is never given back is left to the garbage collector.
 */
export class Memory {
  readonly #free: Uint8Array[] = []
  #freeBytes = 0
  readonly #lent = new WeakMap<ArrayBufferLike, { readonly buffer: Uint8Array; uses: number }>()

  /** A buffer of at least this size, with what its last user left in it. `lend` says who will be done with it. */
  take(sizeBytes: number): Uint8Array {
    let best = -1
    for (const [i, { length }] of this.#free.entries()) {
      const isFit = length >= sizeBytes && length <= sizeBytes * WASTE_MAX
      if (isFit && (best < 0 || length < this.#free[best]!.length)) best = i
    }
    if (best < 0) return readBuffer(sizeBytes)
    const [buffer] = this.#free.splice(best, 1)
    this.#freeBytes -= buffer!.length
    return buffer!
  }

  /** The buffer comes back when `done` was called this often. */
  lend(buffer: Uint8Array, uses: number): void {
    if (uses === 0) this.#keep(buffer)
    else this.#lent.set(buffer.buffer, { buffer, uses })
  }

  /** One use of the buffer that these bytes are in is over. */
  done({ buffer }: Uint8Array): void {
    const lent = this.#lent.get(buffer)
    if (lent === undefined || --lent.uses > 0) return
    this.#lent.delete(buffer)
    this.#keep(lent.buffer)
  }

  #keep(buffer: Uint8Array): void {
    if (this.#freeBytes + buffer.length > KEPT_BYTES) return
    this.#free.push(buffer)
    this.#freeBytes += buffer.length
  }
}
