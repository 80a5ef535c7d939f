import { corrupt, truncated } from '../codec/limits.js'
import { asBuffer, type ByteReader } from '../format/byte-reader.js'
import type { ReadRange } from '../types.js'

/** Source: age-encryption.org/v1, "Header". */
const VERSION_LINE = Buffer.from('age-encryption.org/v1\n')
const ARMOR = Buffer.from('-----BEGIN AGE')
/** Bytes of a header, at most: room for a hundred recipients of the longest kind. */
const HEADER_BYTES_MAX = 256 * 1024
/** Bytes that are read first: enough for some twenty recipients. */
const FIRST_READ_BYTES = 4096
/** The nonce of the payload comes behind the header. */
const NONCE_BYTES = 16

/** The beginning of an age file. */
export interface Header {
  /** The header itself, up to the end of its last line. */
  readonly bytes: Uint8Array
  readonly nonce: Uint8Array
}

/** Bytes before the payload. */
export function payloadStart({ bytes, nonce }: Header): number {
  return bytes.length + nonce.length
}

/** Reads the header of an artifact: one request, unless it is very long. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED */
export async function readHeader(read: ReadRange, storedBytes: number, name: string): Promise<Header> {
  for (let length = FIRST_READ_BYTES; ; length *= 8) {
    const bytes = await read(0, Math.min(length, storedBytes))
    const header = cutHeader(bytes, bytes.length === storedBytes, name)
    if (header !== undefined) return header
  }
}

/** Takes the header from a stream and leaves the payload. @throws as `readHeader` */
export async function takeHeader(reader: ByteReader, name: string): Promise<Header> {
  for (let bytes: Uint8Array = new Uint8Array(0); ; ) {
    const more = await reader.some(FIRST_READ_BYTES)
    bytes = Buffer.concat([bytes, more])
    const header = cutHeader(bytes, more.length === 0, name)
    if (header !== undefined) {
      reader.unread(bytes.subarray(payloadStart(header)))
      return header
    }
  }
}

/** The header and the nonce at the beginning of bytes; undefined if more bytes are needed. */
function cutHeader(start: Uint8Array, isAll: boolean, name: string): Header | undefined {
  const bytes = asBuffer(start)
  const begins = Math.min(bytes.length, VERSION_LINE.length)
  if (!bytes.subarray(0, begins).equals(VERSION_LINE.subarray(0, begins))) {
    const isArmor = bytes.subarray(0, ARMOR.length).equals(ARMOR)
    throw corrupt(
      name,
      isArmor ? 'it is age in ASCII armor, which is not read' : 'it does not begin as an age file does'
    )
  }
  const mac = bytes.indexOf('\n--- ')
  const end = mac < 0 ? -1 : bytes.indexOf('\n', mac + 1)
  if (end >= 0 && end < HEADER_BYTES_MAX && bytes.length > end + NONCE_BYTES) {
    return { bytes: bytes.subarray(0, end + 1), nonce: bytes.subarray(end + 1, end + 1 + NONCE_BYTES) }
  }
  if (bytes.length > HEADER_BYTES_MAX) throw corrupt(name, `its age header has more than ${HEADER_BYTES_MAX} bytes`)
  if (isAll) throw truncated(name, 'it ends within its age header')
  return undefined
}
