import type { SignatureDigest } from '../types.js'

/** RabinKarp weak sums, BLAKE2b strong sums: those of a sigvault. */
const MAGIC = 0x72730147
const HEADER_BYTES = 12
const WEAK_BYTES = 4

/** A librsync signature in memory, by its blocks. */
export class SignatureBytes {
  private constructor(
    readonly bytes: Buffer,
    readonly blockLen: number,
    readonly strongLen: number
  ) {}

  /** Undefined for what is not a whole signature of a sigvault. */
  static read(bytes: Uint8Array): SignatureBytes | undefined {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (buffer.length < HEADER_BYTES || buffer.readUInt32BE(0) !== MAGIC) return undefined
    const signature = new SignatureBytes(buffer, buffer.readUInt32BE(4), buffer.readUInt32BE(8))
    const { blockLen, strongLen, blocks } = signature
    return blockLen > 0 && strongLen > 0 && strongLen <= 32 && Number.isInteger(blocks) ? signature : undefined
  }

  /** Bytes of the signature of a content with so many blocks. */
  static sizeOf(blocks: number, { strongLen }: Pick<SignatureDigest, 'strongLen'>): number {
    return HEADER_BYTES + blocks * (WEAK_BYTES + strongLen)
  }

  get blocks(): number {
    return (this.bytes.length - HEADER_BYTES) / (WEAK_BYTES + this.strongLen)
  }

  /** Both sums of a block. */
  sums(block: number): Buffer {
    return this.bytes.subarray(SignatureBytes.sizeOf(block, this), SignatureBytes.sizeOf(block + 1, this))
  }

  /** A copy with so many blocks: sums that were not there are zeros. */
  resized(blocks: number): SignatureBytes {
    const bytes = Buffer.alloc(SignatureBytes.sizeOf(blocks, this))
    this.bytes.copy(bytes)
    return new SignatureBytes(bytes, this.blockLen, this.strongLen)
  }
}
