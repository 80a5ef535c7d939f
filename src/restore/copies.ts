/** librsync's commands, as native/delta/opcodes.h has them: of one byte each, then numbers of 1, 2, 4 or 8 bytes. */
const MAGIC = 0x72730236
const MAGIC_BYTES = 4
const END = 0
const LITERAL_SHORT_MAX = 64
const LITERAL = 65
const COPY = 69
const COPY_8_8 = 84
const COMMAND_BYTES = 17

/** So many bytes of a basis, from a position on. */
export interface Copied {
  readonly position: number
  readonly sizeBytes: number
}

/** A delta that copies ranges of its basis, one after the other, and nothing else. */
export function encodeCopies(ranges: readonly Copied[]): Uint8Array {
  const bytes = Buffer.alloc(MAGIC_BYTES + ranges.length * COMMAND_BYTES + 1)
  bytes.writeUInt32BE(MAGIC)
  let at = MAGIC_BYTES
  for (const { position, sizeBytes } of ranges) {
    bytes[at] = COPY_8_8
    bytes.writeBigUInt64BE(BigInt(position), at + 1)
    bytes.writeBigUInt64BE(BigInt(sizeBytes), at + 9)
    at += COMMAND_BYTES
  }
  bytes[at] = END
  return bytes
}

/** A copy, and where in what the delta makes its bytes come. */
export interface PlacedCopy extends Copied {
  readonly at: number
}

/** Finds the copies of a delta of the engine's, which comes in pieces. Memory: one command. */
export class CopyFinder {
  #pending: Uint8Array = new Uint8Array(0)
  #started = false
  /** Bytes of a literal that are still to come. */
  #literal = 0
  /** Bytes that the commands so far make. */
  #at = 0

  find(piece: Uint8Array): PlacedCopy[] {
    const bytes = Buffer.concat([this.#pending, piece])
    const copies: PlacedCopy[] = []
    let next = 0
    if (!this.#started && bytes.length >= MAGIC_BYTES) {
      this.#started = true
      next = MAGIC_BYTES
    }
    while (this.#started && next < bytes.length) {
      const skipped = Math.min(this.#literal, bytes.length - next)
      this.#literal -= skipped
      next += skipped
      const code = bytes[next]
      if (code === undefined || code === END) break
      const positionBytes = code < COPY ? 0 : 1 << ((code - COPY) >> 2)
      const lengthBytes = code <= LITERAL_SHORT_MAX ? 0 : 1 << (code < COPY ? code - LITERAL : (code - COPY) & 3)
      const end = next + 1 + positionBytes + lengthBytes
      if (end > bytes.length) break
      const sizeBytes = lengthBytes === 0 ? code : numberAt(bytes, end - lengthBytes, lengthBytes)
      if (code < COPY) this.#literal = sizeBytes
      else copies.push({ at: this.#at, position: numberAt(bytes, next + 1, positionBytes), sizeBytes })
      this.#at += sizeBytes
      next = end
    }
    this.#pending = bytes.subarray(next)
    return copies
  }
}

function numberAt(bytes: Buffer, at: number, length: number): number {
  return length === 8 ? Number(bytes.readBigUInt64BE(at)) : bytes.readUIntBE(at, length)
}
