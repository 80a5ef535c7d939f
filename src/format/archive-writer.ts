import { FRAME_BYTES } from '../constants.js'
import { toBatch } from '../flow/batches.js'
import { type Lease, Pool } from '../flow/memory.js'
import type { Batch, Batched, Kind, Piece } from '../types.js'
import { END_OF_ARCHIVE, encodeEntry, padding, type TarHeader } from './tar-encode.js'

/**
 * Writes one tar as frames of at most `FRAME_BYTES`, cut at an entry border where they can be.
 * Frames that are full wait until they are taken. Memory: one frame, and those not taken.
 */
export class ArchiveWriter {
  #pieces: Batched<Piece>[] = []
  #frame: Lease | undefined
  #used = 0
  #flushed = 0

  constructor(
    readonly kind: Kind,
    /** Where frames come from. */
    readonly pool = new Pool()
  ) {}

  /** Offset of the next entry in the uncompressed tar. */
  get offset(): number {
    return this.#flushed + this.#used
  }

  /** Bytes that are in frames already. */
  get flushedBytes(): number {
    return this.#flushed
  }

  /** The frames that are full, leased where their memory may be used again. */
  takePieces(): readonly Batched<Piece>[] {
    const pieces = this.#pieces
    if (pieces.length > 0) this.#pieces = []
    return pieces
  }

  /** Writes a header; the body of `sizeBytes` follows by `body` calls and `endBody`. Returns the entry's offset. */
  header(header: TarHeader): number {
    const bytes = encodeEntry(header)
    if (this.#used + bytes.length + header.sizeBytes > FRAME_BYTES && bytes.length + header.sizeBytes <= FRAME_BYTES)
      this.flush()
    const { offset } = this
    this.#append(bytes)
    if (header.sizeBytes > FRAME_BYTES) this.flush()
    return offset
  }

  /** Takes bytes over: those of a whole frame become one as they are, and with them their lease. */
  body(bytes: Uint8Array, lease?: LeaseOf): void {
    if (this.#used === 0 && bytes.length === FRAME_BYTES) this.#push(bytes, lease)
    else {
      this.#append(bytes)
      lease?.release?.()
    }
  }

  /** Takes over whole entries, with headers and padding, at most a frame of them. Returns the offset of the first. */
  entries(tar: Uint8Array, lease?: LeaseOf): number {
    if (tar.length > FRAME_BYTES / 2 || this.#used + tar.length > FRAME_BYTES) this.flush()
    const { offset } = this
    if (tar.length > FRAME_BYTES / 2) this.#push(tar, lease)
    else this.body(tar, lease)
    return offset
  }

  endBody(sizeBytes: number): void {
    const zeros = padding(sizeBytes)
    if (zeros > 0) this.#append(Buffer.alloc(zeros))
  }

  /** Ends the archive. */
  end(): void {
    this.#append(END_OF_ARCHIVE)
    this.flush()
  }

  flush(): void {
    if (this.#used === 0) return
    const lease = this.#frame!
    const frame = lease.bytes.subarray(0, this.#used)
    this.#used = 0
    this.#frame = undefined
    this.#push(frame, lease)
  }

  #push(frame: Uint8Array, lease: LeaseOf | undefined): void {
    this.#flushed += frame.length
    const piece = { item: 'piece', kind: this.kind, frame } as const
    this.#pieces.push(lease === undefined ? piece : toBatch([piece], lease))
  }

  #append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      this.#frame ??= this.pool.lease(FRAME_BYTES)
      const taken = Math.min(bytes.length - at, FRAME_BYTES - this.#used)
      this.#frame.bytes.set(bytes.subarray(at, at + taken), this.#used)
      this.#used += taken
      at += taken
      if (this.#used === FRAME_BYTES) this.flush()
    }
  }
}

/** What gives memory back, or keeps it. */
type LeaseOf = Pick<Batch<unknown>, 'release' | 'keep'>
