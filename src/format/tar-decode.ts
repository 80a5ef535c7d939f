import { printPath } from '../path.js'
import { decodeRecords } from './pax.js'
import { Records } from './pax-values.js'
import { BLOCK_BYTES, Field, LONG_FIELD, padding, RECORDS_BYTES, SHORT_FIELD, type TarHeader } from './tar.js'
import { corrupt, type Extensions, toHeader, unsupported, untilNul } from './tar-decode-header.js'
import { readNumber } from './tar-fields.js'

/** An entry's header, with the records before it. Its body begins `headerBytes` after the first of them. */
export interface DecodedEntry {
  readonly header: TarHeader
  readonly headerBytes: number
}

/** More bytes are needed: this many at least, counted from the entry's first. */
export interface NeedBytes {
  readonly needBytes: number
}

/** Headers of records before one entry, at most: L, K and x, and as many that repeat them. */
const EXTENSIONS_MAX = 6

/**
 * Decodes the entry that begins at the first of the bytes: PAX and GNU records, if it has any, and its header.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT for anything that is not a header, also for a block of zeros (`isEndBlock`
 * tells it);
 * IBT_UNSUPPORTED_TYPE for sparse files of other forms than GNU's 1.0, volumes and other special entries; IBT_UNSAFE_PATH.
 */
export function decodeEntryAt(bytes: Uint8Array): DecodedEntry | NeedBytes {
  const extensions: Extensions = {}
  let at = 0
  for (let count = 0; count <= EXTENSIONS_MAX; count++) {
    if (bytes.length < at + BLOCK_BYTES) return { needBytes: at + BLOCK_BYTES }
    const block = bytes.subarray(at, (at += BLOCK_BYTES))
    checkSum(block)
    const flag = String.fromCharCode(block[Field.type]!)
    if (flag !== 'x' && flag !== 'L' && flag !== 'K')
      return { header: toOwnHeader(block, flag, extensions), headerBytes: at }
    const sizeBytes = recordsSize(block)
    const end = at + sizeBytes
    at = end + padding(sizeBytes)
    if (bytes.length < at) return { needBytes: at + BLOCK_BYTES }
    addExtension(extensions, flag, bytes.subarray(end - sizeBytes, end))
  }
  throw corrupt(`has more than ${EXTENSIONS_MAX} records before it`)
}

/** Decodes a header that has no records before it. @throws as `decodeEntryAt` does */
export function decodeHeader(block: Uint8Array): TarHeader {
  checkSum(block)
  return toOwnHeader(block, String.fromCharCode(block[Field.type]!), {})
}

/** Bytes of the records that follow their header. @throws BackupError IBT_ARCHIVE_CORRUPT above `RECORDS_BYTES` */
export function recordsSize(block: Uint8Array): number {
  const sizeBytes = readNumber(block, Field.size, LONG_FIELD, 'size')
  if (sizeBytes >= 0 && sizeBytes <= RECORDS_BYTES) return sizeBytes
  throw corrupt(`has ${sizeBytes} bytes of records, at most ${RECORDS_BYTES} are allowed`)
}

/** Whether the block is all zeros: two of them end an archive. */
export function isEndBlock(block: Uint8Array): boolean {
  return block.every(byte => byte === 0)
}

/** @throws BackupError IBT_ARCHIVE_CORRUPT for anything that is not a header */
export function checkSum(block: Uint8Array): void {
  let sum = 8 * 0x20
  for (let i = 0; i < Field.checksum; i++) sum += block[i]!
  for (let i: number = Field.type; i < BLOCK_BYTES; i++) sum += block[i]!
  const stored = readNumber(block, Field.checksum, SHORT_FIELD, 'checksum')
  if (stored === sum || stored === signedSum(block, sum)) return
  const isEnd = isEndBlock(block)
  throw corrupt(
    isEnd ? 'is expected, the end of the archive is there' : `has the checksum ${stored}, its bytes have ${sum}`
  )
}

/** Old writers sum signed bytes. */
function signedSum(block: Uint8Array, sum: number): number {
  const high = block.reduce(
    (count, byte, i) => (i >= Field.checksum && i < Field.type ? count : count + (byte >> 7)),
    0
  )
  return sum - 256 * high
}

/** Keeps the body of a record for the header that it stands before. */
export function addExtension(extensions: Extensions, flag: 'x' | 'L' | 'K', body: Uint8Array): void {
  if (flag === 'x') extensions.records = decodeRecords(body)
  else if (flag === 'L') extensions.name = untilNul(body)
  else extensions.linkname = untilNul(body)
}

/** A header as our own archives have them: those of others may hold more. */
function toOwnHeader(block: Uint8Array, flag: string, extensions: Extensions): TarHeader {
  const records = new Records(extensions.records)
  if (records.isSparse && !records.isSparse1) throw unsupported('a sparse file of an old form')
  const header = toHeader(block, flag, extensions)
  const { path, type, sizeBytes } = header
  if (type !== 'file' && sizeBytes > 0) throw corrupt(`of the ${type} ${printPath(path)} has the size ${sizeBytes}`)
  return header
}
