import type { Archive, Codec, FrameIndex, ReadRange } from '../types.js'
import type { FrameHolder, FrameMemory } from './frame-memory.js'
import { decodeNamed } from './frame-scan.js'
import { truncated } from './limits.js'
import { isPlain } from './none.js'
import { exactly, Tail } from './tail.js'

/** Decoded frames that stay in memory. */
const KEPT_FRAMES = 2
/** Stored bytes that are fetched together by who reads frame after frame, unless one frame has more. */
const FETCH_BYTES = 1024 * 1024
/** Stored bytes that are fetched together where it is known how far is read. */
const RANGE_FETCH_BYTES = 4 * 1024 * 1024

/** Bytes that are read without the frame that they are in, at most. */
const ALONE_BYTES = 256 * 1024

/** Random access to a stored artifact, in offsets of its decoded bytes. */
export interface ArchiveReader extends Archive {
  /** Where its frames are. */
  readonly index: FrameIndex
  /** The `length` bytes at `offset`, in memory of their own. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED */
  read(offset: number, length: number): Promise<Uint8Array>
  /** The same bytes, as part of what is decoded, if they are in one frame: of those, at least `least`. */
  view(offset: number, length: number, least?: number): Promise<Uint8Array>
  /** The decoded frame with the byte at an offset, and where it begins. @throws as `read` */
  frame(offset: number): Promise<{ start: number; bytes: Uint8Array }>
  /** As `view`, if they are part of what is decoded already. */
  held(offset: number, length: number, least?: number): Uint8Array | undefined
  /** The same bytes, one frame at a time. */
  bytes(offset: number, length: number): AsyncGenerator<Uint8Array, void, undefined>
}

/**
 * Opens an artifact for random access by its seek table.
 * `read` is asked for ranges of the stored bytes: first the end, then frames. The frames of one range are fetched
 * together, up to `RANGE_FETCH_BYTES`. Where one frame is read after the other, the next one is decoded meanwhile, and
 * frames of `FETCH_BYTES` are fetched together.
 *
 * Memory: 8.25 bytes for each frame, the last two decoded frames and the next one, what is fetched together, and
 * `endBytes`, which are read at first; all but the first within the bound of `memory`, which several archives may share.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED without a seek table at the end, IBT_ARCHIVE_CORRUPT if it cannot be right
 */
export async function openArchive(
  read: ReadRange,
  storedBytes: number,
  codec: Codec,
  name: string,
  memory?: FrameMemory,
  endBytes?: number
): Promise<ArchiveReader> {
  const tail = new Tail(read, storedBytes, name, endBytes)
  const index = await codec.index(tail.read, storedBytes, name)
  return new FramedArchive(index, tail, codec, name, memory)
}

interface Kept {
  readonly index: number
  /** Offset of its first byte. */
  readonly start: number
  readonly sizeBytes: number
  readonly frame: Promise<Uint8Array>
  /** The frame, once it is decoded. */
  bytes: Uint8Array | undefined
}

/** Stored bytes of several frames. */
interface Fetched {
  readonly start: number
  readonly end: number
  readonly bytes: Promise<Uint8Array>
}

class FramedArchive implements ArchiveReader, FrameHolder {
  readonly sizeBytes: number
  readonly name: string
  readonly #read: ReadRange
  readonly #codec: Codec
  /** Last used last. */
  #kept: readonly Kept[] = []
  /** The frame that is decoded ahead. */
  #ahead: Kept | undefined
  /** The frame that was asked for last; at first none, and none before the first. */
  #last = -2
  #fetched: Fetched | undefined

  constructor(
    readonly index: FrameIndex,
    readonly tail: Tail,
    codec: Codec,
    name: string,
    readonly memory: FrameMemory | undefined
  ) {
    this.sizeBytes = index.sizeBytes
    this.name = name
    this.#read = index.read === undefined ? tail.read : exactly(index.read, name)
    this.#codec = codec
    memory?.used(this)
    memory?.bound()
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const frame = await this.#part(offset, length)
    return frame === undefined ? this.#joined(offset, length) : Uint8Array.prototype.slice.call(frame)
  }

  async view(offset: number, length: number, least = length): Promise<Uint8Array> {
    return this.#alone(offset, length) ?? (await this.#part(offset, length, least)) ?? this.#joined(offset, length)
  }

  async frame(offset: number): Promise<{ start: number; bytes: Uint8Array }> {
    this.#check(offset, 1)
    const index = this.index.find(offset)
    return { start: this.index.frame(index).start, bytes: await this.#frame(index) }
  }

  held(offset: number, length: number, least = length): Uint8Array | undefined {
    for (const { start, bytes } of this.#kept) {
      const at = offset - start
      if (bytes !== undefined && at >= 0 && at + least <= bytes.length) return bytes.subarray(at, at + length)
    }
    return undefined
  }

  /** The bytes where they are decoded, if one frame has at least `least` of them. */
  async #part(offset: number, length: number, least = length): Promise<Uint8Array | undefined> {
    this.#check(offset, length)
    if (length === 0) return new Uint8Array(0)
    const index = this.index.find(offset)
    const { start, sizeBytes } = this.index.frame(index)
    const at = offset - start
    return at + least <= sizeBytes ? (await this.#frame(index)).subarray(at, at + length) : undefined
  }

  /** A few bytes of frames that are stored as they are, where nothing near them was read before. */
  #alone(offset: number, length: number): Promise<Uint8Array> | undefined {
    this.#check(offset, length)
    if (length > ALONE_BYTES || !isPlain(this.#codec, this.index)) return undefined
    const index = this.index.find(offset)
    const isNear = index === this.#last || index === this.#last + 1 || this.#find(index) !== undefined
    if (isNear) return undefined
    this.#last = index
    return this.#read(offset, offset + length)
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
    const last = this.index.frame(this.index.find(end - 1))
    const storedEnd = last.storedStart + last.storedBytes
    for (let index = this.index.find(offset); index >= 0; ) {
      const { start, sizeBytes } = this.index.frame(index)
      const frame = await this.#frame(index, storedEnd)
      index = this.#nextFrame(index, end)
      // What comes next is decoded while the consumer is busy.
      if (index >= 0) this.#lookAhead(index, storedEnd)
      yield frame.subarray(Math.max(0, offset - start), Math.min(sizeBytes, end - start))
    }
  }

  /** The frame with bytes behind this one, if there is any before `end`; else -1. */
  #nextFrame(index: number, end: number): number {
    const { start, sizeBytes } = this.index.frame(index)
    return start + sizeBytes < end ? this.index.find(start + sizeBytes) : -1
  }

  get memoryBytes(): number {
    const fetched = this.#fetched === undefined ? 0 : this.#fetched.end - this.#fetched.start
    const others = fetched + this.tail.memoryBytes + (this.#ahead?.sizeBytes ?? 0)
    return this.#kept.reduce((sum, { sizeBytes }) => sum + sizeBytes, others)
  }

  forget(): void {
    this.#kept = []
    this.#ahead = undefined
    this.#fetched = undefined
    this.tail.forget()
  }

  /** `storedEnd`: how far the stored bytes will be read, where that is known. */
  #frame(index: number, storedEnd?: number): Promise<Uint8Array> {
    this.memory?.used(this)
    const kept = this.#find(index) ?? this.#decoding(index, storedEnd)
    const isOther = kept !== this.#kept.at(-1)
    if (isOther) {
      this.#kept = [...this.#kept.filter(candidate => candidate.index !== index), kept].slice(-KEPT_FRAMES)
    }
    if (storedEnd === undefined && index === this.#last + 1) {
      const next = this.#nextFrame(index, this.sizeBytes)
      if (next >= 0) this.#lookAhead(next)
    }
    this.#last = index
    if (isOther) this.memory?.bound()
    return kept.frame
  }

  #find(index: number): Kept | undefined {
    if (this.#ahead?.index === index) return this.#ahead
    return this.#kept.find(candidate => candidate.index === index)
  }

  #lookAhead(index: number, storedEnd = this.index.frame(index).storedStart + FETCH_BYTES): void {
    if (this.#find(index) !== undefined) return
    this.#ahead = this.#decoding(index, storedEnd)
  }

  #decoding(index: number, storedEnd = 0): Kept {
    const { start, sizeBytes } = this.index.frame(index)
    const kept: Kept = { index, start, sizeBytes, frame: this.#decode(index, storedEnd), bytes: undefined }
    const keep = (bytes: Uint8Array) => {
      kept.bytes = bytes
    }
    // Of one that is decoded ahead, nobody may ever ask for the error.
    kept.frame.then(keep, () => {})
    return kept
  }

  async #decode(index: number, storedEnd: number): Promise<Uint8Array> {
    try {
      const { sizeBytes } = this.index.frame(index)
      const stored = await this.#stored(index, storedEnd)
      return await decodeNamed(this.#codec.decode(stored, sizeBytes), this.name, index)
    } catch (error) {
      // A failed fetch may succeed the next time.
      this.#kept = this.#kept.filter(candidate => candidate.index !== index)
      if (this.#ahead?.index === index) this.#ahead = undefined
      this.#fetched = undefined
      throw error
    }
  }

  /** The stored bytes of a frame, fetched with those of the next ones up to `storedEnd`. */
  async #stored(index: number, storedEnd: number): Promise<Uint8Array> {
    const { storedStart: start, storedBytes } = this.index.frame(index)
    const end = start + storedBytes
    let fetched = this.#fetched
    if (fetched === undefined || start < fetched.start || end > fetched.end) {
      const last = this.#lastWithin(index, Math.min(storedEnd, start + RANGE_FETCH_BYTES))
      fetched = { start, end: last, bytes: this.#read(start, last) }
      this.#fetched = fetched
    }
    if (end === fetched.end) this.#fetched = undefined
    return (await fetched.bytes).subarray(start - fetched.start, end - fetched.start)
  }

  /** Where the last stored frame ends that ends before `max`: this one in any case. */
  #lastWithin(index: number, max: number): number {
    const { storedStart, storedBytes } = this.index.frame(index)
    let end = storedStart + storedBytes
    for (let next = index + 1; next < this.index.frames; next++) {
      const frame = this.index.frame(next)
      if (frame.storedStart + frame.storedBytes > max) break
      end = frame.storedStart + frame.storedBytes
    }
    return end
  }

  #check(offset: number, length: number): void {
    const isRange = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0
    if (!isRange) throw new RangeError(`Not a range of an archive: offset ${offset}, length ${length}`)
    if (offset + length > this.sizeBytes) {
      throw truncated(this.name, `${length} bytes at ${offset} are wanted, it holds ${this.sizeBytes}`)
    }
  }
}
