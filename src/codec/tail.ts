import type { ReadRange } from '../types.js'
import { tailBytes, truncated } from './limits.js'

/**
 * The end of an artifact, which is read once, with the first look at it: what lies there is served from memory then. A
 * seek table, and the whole of a small artifact, cost one request. Memory: its bytes.
 */
export class Tail {
  /** Where it begins in the artifact. */
  readonly start: number
  readonly #exact: ReadRange
  #bytes: Promise<Uint8Array> | undefined

  constructor(
    read: ReadRange,
    readonly storedBytes: number,
    name: string,
    sizeBytes = tailBytes(storedBytes)
  ) {
    this.start = Math.max(0, storedBytes - sizeBytes)
    this.#exact = exactly(read, name)
  }

  /** Reads any range of the artifact. @throws BackupError IBT_ARCHIVE_TRUNCATED */
  readonly read: ReadRange = async (start, end) => {
    if (start === end) return new Uint8Array(0)
    if (!this.has(start)) return this.#before(start, end)
    this.#bytes ??= this.#exact(this.start, this.storedBytes)
    try {
      return (await this.#bytes).subarray(start - this.start, end - this.start)
    } catch (error) {
      // It may succeed the next time.
      this.#bytes = undefined
      throw error
    }
  }

  /** What is in memory is not read again. */
  async #before(start: number, end: number): Promise<Uint8Array> {
    const held = end > this.start ? await this.#bytes?.catch(() => undefined) : undefined
    if (held === undefined) return this.#exact(start, end)
    return Buffer.concat([await this.#exact(start, this.start), held.subarray(0, end - this.start)])
  }

  /** Whether what begins at an offset lies in it. */
  has(start: number): boolean {
    return start >= this.start
  }

  get memoryBytes(): number {
    return this.#bytes === undefined ? 0 : this.storedBytes - this.start
  }

  forget(): void {
    this.#bytes = undefined
  }
}

/** @throws BackupError IBT_ARCHIVE_TRUNCATED for an answer of another length. */
export function exactly(read: ReadRange, name: string): ReadRange {
  return async (start, end) => {
    if (start === end) return new Uint8Array(0)
    const bytes = await read(start, end)
    if (bytes.length === end - start) return bytes
    throw truncated(name, `the store gave ${bytes.length} bytes where ${start} to ${end} were asked for`)
  }
}
