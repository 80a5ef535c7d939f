import { BackupError } from '../errors.js'
import { asBuffer } from '../format/byte-reader.js'

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

/** Reads a delta that comes in pieces, from somebody who need not be trusted. Memory: one command. */
export class DeltaReader {
  #pending: Uint8Array = new Uint8Array(0)
  #started = false
  #hasEnded = false
  /** Bytes of a literal that are still to come. */
  #literal = 0

  /** @throws BackupError IBT_DELTA_CORRUPT if something is missing */
  end(): void {
    if (!this.#hasEnded) throw corrupt('ends too early')
  }

  /** The literals, in parts, and the copies of a piece. @throws BackupError IBT_DELTA_CORRUPT */
  *read(piece: Uint8Array): Generator<Uint8Array | Copied, void, undefined> {
    const bytes = this.#pending.length === 0 ? asBuffer(piece) : Buffer.concat([this.#pending, piece])
    let next = 0
    if (!this.#started && bytes.length >= MAGIC_BYTES) {
      if (bytes.readUInt32BE(0) !== MAGIC) throw corrupt('does not begin as one')
      this.#started = true
      next = MAGIC_BYTES
    }
    while (this.#started && !this.#hasEnded && next < bytes.length) {
      if (this.#literal > 0) {
        const literal = bytes.subarray(next, next + this.#literal)
        this.#literal -= literal.length
        next += literal.length
        yield literal
        continue
      }
      const code = bytes[next]!
      if (code === END) {
        this.#hasEnded = true
        next++
        break
      }
      if (code > COPY_8_8) throw corrupt(`has a command ${code}`)
      const positionBytes = code < COPY ? 0 : 1 << ((code - COPY) >> 2)
      const lengthBytes = code <= LITERAL_SHORT_MAX ? 0 : 1 << (code < COPY ? code - LITERAL : (code - COPY) & 3)
      const end = next + 1 + positionBytes + lengthBytes
      if (end > bytes.length) break
      const sizeBytes = lengthBytes === 0 ? code : numberAt(bytes, end - lengthBytes, lengthBytes)
      const position = numberAt(bytes, next + 1, positionBytes)
      next = end
      if (code < COPY) this.#literal = sizeBytes
      else yield { position, sizeBytes }
    }
    if (this.#hasEnded && next < bytes.length) throw corrupt('goes on behind its end')
    this.#pending = bytes.subarray(next)
  }
}

/** A copy, and where in what the delta makes its bytes come. */
export interface PlacedCopy extends Copied {
  readonly at: number
}

/** Finds the copies of a delta that comes in pieces. Memory: one command. */
export class CopyFinder {
  readonly #reader = new DeltaReader()
  /** Bytes that the commands so far make. */
  #at = 0

  find(piece: Uint8Array): PlacedCopy[] {
    const copies: PlacedCopy[] = []
    for (const command of this.#reader.read(piece)) {
      if (command instanceof Uint8Array) this.#at += command.length
      else {
        copies.push({ at: this.#at, ...command })
        this.#at += command.sizeBytes
      }
    }
    return copies
  }
}

function numberAt(bytes: Buffer, at: number, length: number): number {
  if (length === 0) return 0
  return length === 8 ? Number(bytes.readBigUInt64BE(at)) : bytes.readUIntBE(at, length)
}

function corrupt(what: string): BackupError {
  return new BackupError('IBT_DELTA_CORRUPT', `The delta is damaged: it ${what}`)
}
