/** Free memory that a pool keeps, at most. */
const KEPT_BYTES = 16 * 1024 * 1024
/** A larger buffer than asked for is given up to this factor. */
const WASTE_MAX = 4
const ALIGNMENT = 64
/** What malloc keeps of a page that it gave for this allocation alone. */
const MALLOC_BYTES = 16
/** With `IBT_POISON=1`, memory that comes back is overwritten at once: whoever still looks at it sees this. */
const POISON = process.env.IBT_POISON === '1' ? 0xdb : undefined

/**
 * A buffer to read a file into, or to write one from. The kernel's copy between the start of a page and 16 bytes behind
 * the start of another, where malloc puts what is large, takes 1.6 times as long as that between any other places.
 */
export function readBuffer(sizeBytes: number): Buffer {
  return Buffer.allocUnsafeSlow(sizeBytes + ALIGNMENT - MALLOC_BYTES).subarray(ALIGNMENT - MALLOC_BYTES)
}

/** The bytes, copied if they are a small part of a large block: that would stay in memory as long as they do. */
export function ownMemory(bytes: Uint8Array): Uint8Array {
  return 2 * bytes.length < bytes.buffer.byteLength ? Buffer.from(bytes) : bytes
}

/**
 * Memory that comes back to its pool when it is released, unless somebody keeps it. It travels with a batch, and only
 * with one: a stage that gets single items has memory of its own.
 */
export class Lease {
  #pool: Pool | undefined

  constructor(
    pool: Pool,
    /** With what its last user left in it. */
    readonly bytes: Uint8Array
  ) {
    this.#pool = pool
  }

  /** Nobody needs the bytes any more. Once released or kept, further calls do nothing. */
  release(): void {
    const pool = this.#pool
    this.#pool = undefined
    pool?.accept(this.bytes)
  }

  /** Somebody may look at the bytes for ever. */
  keep(): void {
    this.#pool = undefined
  }
}

/** Memory of one stage. Memory: up to 16 MiB that nobody uses. Kept memory is left to the garbage collector. */
export class Pool {
  readonly #free: Uint8Array[] = []
  #freeBytes = 0

  /** `allocate`: makes the memory. */
  constructor(readonly allocate: (sizeBytes: number) => Uint8Array = readBuffer) {}

  /** At least so many bytes. */
  lease(sizeBytes: number): Lease {
    return new Lease(this, this.#take(sizeBytes))
  }

  #take(sizeBytes: number): Uint8Array {
    let best = -1
    for (const [i, { length }] of this.#free.entries()) {
      const isFit = length >= sizeBytes && length <= sizeBytes * WASTE_MAX
      if (isFit && (best < 0 || length < this.#free[best]!.length)) best = i
    }
    if (best < 0) return this.allocate(sizeBytes)
    const [buffer] = this.#free.splice(best, 1)
    this.#freeBytes -= buffer!.length
    return buffer!
  }

  /** Called by a lease. */
  accept(bytes: Uint8Array): void {
    if (POISON !== undefined) bytes.fill(POISON)
    if (this.#freeBytes + bytes.length > KEPT_BYTES) return
    this.#free.push(bytes)
    this.#freeBytes += bytes.length
  }
}
