/** librsync's commands, as native/delta/opcodes.h has them: of one byte each, then numbers of 1, 2, 4 or 8 bytes. */
const MAGIC = 0x72730236
const END = 0
const LITERAL_4 = 67
const COPY_8_8 = 84

/** What a delta begins with. */
export function deltaMagic(): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(MAGIC)
  return bytes
}

/** What a delta ends with. */
export function deltaEnd(): Buffer {
  return Buffer.of(END)
}

/** Copies bytes of the basis. */
export function copyCommand(position: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(17)
  bytes[0] = COPY_8_8
  bytes.writeBigUInt64BE(BigInt(position), 1)
  bytes.writeBigUInt64BE(BigInt(sizeBytes), 9)
  return bytes
}

/** Stands before so many new bytes, below 2^32. */
export function literalCommand(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(5)
  bytes[0] = LITERAL_4
  bytes.writeUInt32BE(sizeBytes, 1)
  return bytes
}
