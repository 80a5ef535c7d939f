import type { Archive, Codec, FrameIndex, ReadRange } from '../types.js'
import { decodeNamed } from './frame-scan.js'
import { truncated } from './limits.js'
import { exactly } from './tail.js'

/** Decoded frames that are kept. */
const KEPT_FRAMES = 2

/** Random access to a stored artifact, in offsets of its decoded bytes. */
export interface ArchiveReader extends Archive {
  /** The `length` bytes at `offset`, in memory of their own. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED */
  read(offset: number, length: number): Promise<Uint8Array>
  /** The same bytes, as part of what is decoded, if they are in one frame. */
  view(offset: number, length: number): Promise<Uint8Array>
  /** The same bytes, one frame at a time; the next one is fetched and decoded meanwhile. */
  bytes(offset: number, length: number): AsyncGenerator<Uint8Array, void, undefined>
}

/**
 * Opens an artifact for random access by its seek table.
 * `read` is asked for ranges of the stored bytes: first the end, then one frame at a time.
 *
 * Memory: 8.25 bytes for each frame, the last two decoded frames, and the next one while `bytes` runs.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED without a seek table at the end, IBT_ARCHIVE_CORRUPT if it cannot be right
 */
export async function openArchive(
  read: ReadRange,
  storedBytes: number,
  codec: Codec,
  name: string
): Promise<ArchiveReader> {
  return new FramedArchive(await codec.index(read, storedBytes, name), exactly(read, name), codec, name)
}

interface Kept {
  readonly index: number
  readonly frame: Promise<Uint8Array>
}

class FramedArchive implements ArchiveReader {
  readonly sizeBytes: number
  readonly name: string
  readonly #index: FrameIndex
  readonly #read: ReadRange
  readonly #codec: Codec
  /** Last used last. */
  #kept: readonly Kept[] = []

  constructor(index: FrameIndex, read: ReadRange, codec: Codec, name: string) {
    this.sizeBytes = index.sizeBytes
    this.name = name
    this.#index = index
    this.#read = read
    this.#codec = codec
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const frame = await this.#part(offset, length)
    return frame === undefined ? this.#joined(offset, length) : Uint8Array.prototype.slice.call(frame)
  }

  async view(offset: number, length: number): Promise<Uint8Array> {
    return (await this.#part(offset, length)) ?? this.#joined(offset, length)
  }

  /** The bytes where they are decoded, if one frame has them all. */
  async #part(offset: number, length: number): Promise<Uint8Array | undefined> {
    this.#check(offset, length)
    if (length === 0) return new Uint8Array(0)
    const index = this.#index.find(offset)
    const { start, sizeBytes } = this.#index.frame(index)
    const end = offset + length - start
    return end <= sizeBytes ? (await this.#frame(index)).subarray(offset - start, end) : undefined
  }

  async #joined(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length)
    let at = 0
    for await (const part of this.bytes(offset, length)) {
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  }

  async *bytes(offset: number, length: number): AsyncGenerator<Uint8Array, void, undefined> {
    this.#check(offset, length)
    if (length === 0) return
    const end = offset + length
    let index = this.#index.find(offset)
    let next: Promise<Uint8Array> | undefined = this.#frame(index)
    while (next !== undefined) {
      const { start, sizeBytes } = this.#index.frame(index)
      const frame = await next
      index = this.#nextFrame(index, end)
      next = index < 0 ? undefined : this.#frame(index)
      // The consumer may stop before it is looked at.
      next?.catch(() => {})
      yield frame.subarray(Math.max(0, offset - start), Math.min(sizeBytes, end - start))
    }
  }

  /** The frame with bytes behind this one, if there is any before `end`; else -1. */
  #nextFrame(index: number, end: number): number {
    const { start, sizeBytes } = this.#index.frame(index)
    return start + sizeBytes < end ? this.#index.find(start + sizeBytes) : -1
  }

  #frame(index: number): Promise<Uint8Array> {
    const kept = this.#kept.find(candidate => candidate.index === index)
    const frame = kept?.frame ?? this.#decode(index)
    const others = this.#kept.filter(candidate => candidate.index !== index)
    this.#kept = [...others, { index, frame }].slice(-KEPT_FRAMES)
    return frame
  }

  async #decode(index: number): Promise<Uint8Array> {
    try {
      const { storedStart, storedBytes, sizeBytes } = this.#index.frame(index)
      const stored = await this.#read(storedStart, storedStart + storedBytes)
      return await decodeNamed(this.#codec.decode(stored, sizeBytes), this.name, index)
    } catch (error) {
      // A failed fetch may succeed the next time.
      this.#kept = this.#kept.filter(candidate => candidate.index !== index)
      throw error
    }
  }

  #check(offset: number, length: number): void {
    const isRange = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0
    if (!isRange) throw new RangeError(`No range of an archive: offset ${offset}, length ${length}`)
    if (offset + length > this.sizeBytes) {
      throw truncated(this.name, `${length} bytes at ${offset} are wanted, it holds ${this.sizeBytes}`)
    }
  }
}
