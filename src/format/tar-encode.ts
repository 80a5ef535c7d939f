import { ROOT_PATH } from '../path.js'
import { BLOCK_BYTES, Field, LONG_FIELD, NAME_BYTES, OWNER_BYTES, padding, SHORT_FIELD, type TarHeader } from './tar.js'
import { type HeaderNames, headerNames, needsRecords, paxRecords } from './tar-extended.js'
import { LONG_OCTAL_MAX, writeAscii, writeDecimal, writeNumber, writeOctal } from './tar-fields.js'

export { padding, type TarHeader }

/** Two blocks of zeros. */
export const END_OF_ARCHIVE: Uint8Array = Buffer.alloc(2 * BLOCK_BYTES)

const TYPE_FLAGS: Readonly<Record<TarHeader['type'], number>> = {
  file: 0x30,
  link: 0x31,
  symlink: 0x32,
  'character-device': 0x33,
  'block-device': 0x34,
  directory: 0x35,
  fifo: 0x36
}
const SLASH = 0x2f
const SPACE = 0x20
/** What the checksum takes its own field for. */
const CHECKSUM_OF_SPACES = 8 * SPACE
const NS_PER_SECOND = 1_000_000_000n
const TIME_RECORD = '30 mtime='
const TIME_RECORD_BYTES = 30
/** Seconds of ten digits, which a ustar header can hold. */
const SECONDS_MIN = 1_000_000_000
const SECONDS_MAX = LONG_OCTAL_MAX

/** A ustar header whose fields are all empty. */
const BLANK = blankHeader()
/** Headers of records, but for size and checksum. */
const BLANK_EXTENSIONS = {
  x: blankExtension('x', '././@PaxHeader'),
  L: blankExtension('L', '././@LongLink'),
  K: blankExtension('K', '././@LongLink')
} as const
/** Their names are not longer. */
const EXTENSION_NAME_BYTES = 16
const BLANK_WITH_TIME = blankWithTime()

/**
 * The header of an entry, whole blocks; its body and `padding(sizeBytes)` zeros follow it.
 * What a ustar header cannot hold stands in PAX records before it, a long name that is not UTF-8 in GNU `L` and `K`
 * records: GNU tar and bsdtar read all of it without a word.
 * Source: POSIX.1-2017 pax; GNU tar manual, "Basic Tar Format".
 *
 * @throws BackupError IBT_UNSUPPORTED_TYPE if the records are larger than `RECORDS_BYTES`.
 */
export function encodeEntry(header: TarHeader): Buffer {
  return needsRecords(header) ? encodeExtended(header) : (encodePlain(header) ?? encodeExtended(header))
}

/** The way of nearly every entry: ASCII names that fit, and no record but the time. Undefined if it is not of that kind. */
function encodePlain(header: TarHeader): Buffer | undefined {
  const { mtimeNs, path, linkname = '', uname = '', gname = '' } = header
  const big = mtimeNs / NS_PER_SECOND
  const seconds = Number(big)
  const ns = Number(mtimeNs - big * NS_PER_SECOND)
  const hasRecord = ns !== 0
  if (hasRecord ? seconds < SECONDS_MIN || seconds > SECONDS_MAX || ns < 0 : seconds < 0 || seconds > SECONDS_MAX)
    return undefined

  const blank = hasRecord ? BLANK_WITH_TIME : BLANK
  const bytes = Buffer.allocUnsafe(blank.length)
  bytes.set(blank)
  if (hasRecord) writeTimeRecord(bytes, BLOCK_BYTES + TIME_RECORD.length, seconds, ns)

  const block = blank.length - BLOCK_BYTES
  let nameLength = writeAscii(bytes, block, path, NAME_BYTES)
  if (nameLength < 0) return undefined
  if (header.type === 'directory') {
    if (nameLength === NAME_BYTES) return undefined
    bytes[block + nameLength++] = SLASH
  }
  const linkLength = writeAscii(bytes, block + Field.linkname, linkname, NAME_BYTES)
  const unameLength = writeAscii(bytes, block + Field.uname, uname, OWNER_BYTES)
  const gnameLength = writeAscii(bytes, block + Field.gname, gname, OWNER_BYTES)
  if (linkLength < 0 || unameLength < 0 || gnameLength < 0) return undefined
  writeNumbers(bytes, block, header, seconds)
  writeChecksum(bytes, block, nameLength, linkLength)
  return bytes
}

/** The way of all others. */
function encodeExtended(header: TarHeader): Buffer {
  const names = headerNames(header)
  const records = paxRecords(header, names)
  const longBytes = names.long.reduce((sum, { bytes }) => sum + extensionBytes(bytes.length + 1), 0)
  const recordBytes = records === '' ? 0 : extensionBytes(records.length)
  const bytes = Buffer.allocUnsafe(longBytes + recordBytes + BLOCK_BYTES).fill(0)
  let at = 0
  for (const { flag, bytes: name } of names.long) {
    writeExtension(bytes, at, flag, name.length + 1)
    bytes.set(name, at + BLOCK_BYTES)
    at += extensionBytes(name.length + 1)
  }
  if (records !== '') {
    writeExtension(bytes, at, 'x', records.length)
    bytes.write(records, at + BLOCK_BYTES, 'latin1')
  }
  writeExtended(bytes, longBytes + recordBytes, header, names)
  return bytes
}

function writeExtended(
  bytes: Buffer,
  block: number,
  header: TarHeader,
  { name, linkname, uname, gname }: HeaderNames
): void {
  bytes.set(BLANK, block)
  bytes.set(name, block + Field.name)
  bytes.set(linkname, block + Field.linkname)
  bytes.set(uname, block + Field.uname)
  bytes.set(gname, block + Field.gname)
  const { mtimeNs } = header
  const seconds = mtimeNs / NS_PER_SECOND - (mtimeNs % NS_PER_SECOND < 0n ? 1n : 0n)
  writeNumbers(bytes, block, header, Number(seconds))
  writeChecksum(bytes, block, name.length, linkname.length)
}

function writeNumbers(bytes: Uint8Array, block: number, header: TarHeader, seconds: number): void {
  const { mode, uid, gid, sizeBytes, type, devMajor, devMinor } = header
  writeOctal(bytes, block + Field.mode, SHORT_FIELD, mode & 0o7777)
  // Numbers that need records stand here, too, in base-256: for readers that do not know the records.
  writeNumber(bytes, block + Field.uid, SHORT_FIELD, uid)
  writeNumber(bytes, block + Field.gid, SHORT_FIELD, gid)
  writeNumber(bytes, block + Field.size, LONG_FIELD, sizeBytes)
  writeNumber(bytes, block + Field.mtime, LONG_FIELD, seconds)
  bytes[block + Field.type] = TYPE_FLAGS[type]
  if (devMajor !== undefined) writeNumber(bytes, block + Field.devMajor, SHORT_FIELD, devMajor)
  if (devMinor !== undefined) writeNumber(bytes, block + Field.devMinor, SHORT_FIELD, devMinor)
}

/** Sums only what is not zero for certain. */
function writeChecksum(bytes: Uint8Array, block: number, nameLength: number, linkLength: number): void {
  const sum =
    CHECKSUM_OF_SPACES +
    sumOf(bytes, block, block + nameLength) +
    sumOf(bytes, block + Field.mode, block + Field.checksum) +
    sumOf(bytes, block + Field.type, block + Field.linkname + linkLength) +
    sumOf(bytes, block + Field.magic, block + Field.prefix)
  writeOctal(bytes, block + Field.checksum, SHORT_FIELD - 1, sum)
  bytes[block + Field.checksum + SHORT_FIELD - 1] = SPACE
}

function sumOf(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0
  for (let i = start; i < end; i++) sum += bytes[i]!
  return sum
}

function writeTimeRecord(bytes: Uint8Array, at: number, seconds: number, ns: number): void {
  writeDecimal(bytes, at, 10, seconds)
  bytes[at + 10] = 0x2e
  writeDecimal(bytes, at + 11, 9, ns)
  bytes[at + 20] = 0x0a
}

/** Bytes of records with their header, in whole blocks. */
function extensionBytes(sizeBytes: number): number {
  return BLOCK_BYTES + sizeBytes + padding(sizeBytes)
}

/** Writes the header of records that belong to the entry after them. */
function writeExtension(bytes: Buffer, block: number, flag: 'x' | 'L' | 'K', sizeBytes: number): void {
  bytes.set(BLANK_EXTENSIONS[flag], block)
  writeNumber(bytes, block + Field.size, LONG_FIELD, sizeBytes)
  writeChecksum(bytes, block, EXTENSION_NAME_BYTES, 0)
}

function blankExtension(flag: string, name: string): Buffer {
  const block = Buffer.from(BLANK)
  block.write(name, Field.name, 'latin1')
  writeNumbers(block, 0, { path: ROOT_PATH, type: 'file', mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, sizeBytes: 0 }, 0)
  block.write(flag, Field.type, 'latin1')
  return block
}

/** A PAX header with one record of 30 bytes, and a blank header after it. */
function blankWithTime(): Buffer {
  const blank = Buffer.alloc(3 * BLOCK_BYTES)
  writeExtension(blank, 0, 'x', TIME_RECORD_BYTES)
  blank.write(TIME_RECORD, BLOCK_BYTES, 'latin1')
  blank.set(BLANK, 2 * BLOCK_BYTES)
  return blank
}

function blankHeader(): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES)
  block.write('ustar\u000000', Field.magic, 'latin1')
  writeOctal(block, Field.devMajor, SHORT_FIELD, 0)
  writeOctal(block, Field.devMinor, SHORT_FIELD, 0)
  return block
}
