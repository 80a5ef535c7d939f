import { asBuffer } from '../format/byte-reader.js'
import type { FrameIndex, FrameSize, ReadRange } from '../types.js'
import { type FrameTotals, NO_FRAMES, type Scan, type Scanned } from './frame-scan.js'
import { checkFrameSize, FrameTable } from './frame-table.js'
import { corrupt, FRAME_DECODED_MAX, FRAME_STORED_MAX, FRAMES_MAX, truncated } from './limits.js'
import { exactly } from './tail.js'

/** A member begins with ten fixed bytes and the two of the extra field's length. */
const HEADER_BYTES = 12
/** Two letters and the length of one subfield. */
const SUBFIELD_BYTES = 4
/** CRC-32 and size. */
const TRAILER_BYTES = 8
/** What an empty member holds behind its extra field: an empty deflate block, CRC-32 and size of nothing. */
const EMPTY_BODY = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
const ENTRY_BYTES = 8
/** Entries that fit into one extra field of 64 KiB. */
const MEMBER_ENTRIES = 8191
const FRAME_HEADER_BYTES = HEADER_BYTES + SUBFIELD_BYTES + 4
const FOOTER_DATA_BYTES = 12
const FOOTER_BYTES = emptyMemberBytes(FOOTER_DATA_BYTES)
const FRAME_ID = 'IF'
const TABLE_ID = 'IT'
const FOOTER_ID = 'IE'

/** Bytes that a frame's member has around its deflated bytes. */
export const GZIP_FRAME_OVERHEAD = FRAME_HEADER_BYTES + TRAILER_BYTES

/** Turns a member of the plain form (RFC 1952 without extra field) into one that tells its stored size, as BGZF does. */
export function frameMember(plain: Uint8Array): Uint8Array {
  const body = plain.subarray(HEADER_BYTES - 2)
  const size = Buffer.alloc(4)
  size.writeUInt32LE(FRAME_HEADER_BYTES + body.length)
  return Buffer.concat([memberHeader(FRAME_ID, size), body])
}

/**
 * Writes the seek table: empty members with entries of stored and decoded size, and a last one of fixed size that says
 * how many frames there are (32 bits) and where the table begins (64 bits), all little-endian.
 */
export function encodeGzipTable(frames: readonly FrameSize[]): Uint8Array {
  const members: Uint8Array[] = []
  let tableStart = 0
  for (let first = 0; first < frames.length; first += MEMBER_ENTRIES) {
    const part = frames.slice(first, first + MEMBER_ENTRIES)
    const entries = Buffer.alloc(part.length * ENTRY_BYTES)
    part.forEach(({ storedBytes, sizeBytes }, i) => {
      entries.writeUInt32LE(storedBytes, i * ENTRY_BYTES)
      entries.writeUInt32LE(sizeBytes, i * ENTRY_BYTES + 4)
      tableStart += storedBytes
    })
    members.push(memberHeader(TABLE_ID, entries), EMPTY_BODY)
  }
  const footer = Buffer.alloc(FOOTER_DATA_BYTES)
  footer.writeUInt32LE(frames.length, 0)
  footer.writeBigUInt64LE(BigInt(tableStart), 4)
  return Buffer.concat([...members, memberHeader(FOOTER_ID, footer), EMPTY_BODY])
}

/** Reads the seek table from the end of an artifact. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED */
export async function readGzipTable(read: ReadRange, storedBytes: number, name: string): Promise<FrameIndex> {
  if (storedBytes < FOOTER_BYTES) throw truncated(name, `${storedBytes} bytes hold no seek table`)
  const readPart = exactly(read, name)
  const footerStart = storedBytes - FOOTER_BYTES
  const footer = decodeEmptyMember(asBuffer(await readPart(footerStart, storedBytes)), FOOTER_ID)
  if (footer === undefined) throw truncated(name, 'it ends without its seek table')
  const { frames, tableStart } = decodeFooter(footer)
  if (frames > FRAMES_MAX || tableStart + tableBytes(frames) !== footerStart) {
    throw corrupt(name, `its seek table claims ${frames} frames before offset ${tableStart}, which cannot be`)
  }
  const table = new FrameTable(frames, name)
  for (let at = tableStart; at < footerStart; ) {
    const left = Math.min(frames - table.frames, MEMBER_ENTRIES)
    const end = at + emptyMemberBytes(left * ENTRY_BYTES)
    const entries = decodeEmptyMember(asBuffer(await readPart(at, end)), TABLE_ID)
    if (entries === undefined) throw corrupt(name, `no piece of its seek table is at ${at}`)
    for (const frame of decodeEntries(entries)) table.add(frame)
    at = end
  }
  if (table.storedBytes !== tableStart) {
    throw corrupt(name, `its seek table adds up to ${table.storedBytes} bytes, its frames to ${tableStart}`)
  }
  return table
}

/**
 * Scans one member. A frame says its stored size before its bytes and its decoded size behind them, so that its end is
 * found and its output bounded without inflating it.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT
 */
export function* scanGzipMember(name: string, read: FrameTotals): Scan {
  const header = asBuffer(yield HEADER_BYTES)
  const extraBytes = checkHeader(header) ? header.readUInt16LE(10) : 0
  if (extraBytes < SUBFIELD_BYTES) throw corrupt(name, 'a gzip member that this package did not write')
  const extra = asBuffer(yield extraBytes)
  const id = extra.toString('latin1', 0, 2)
  const data = extra.subarray(SUBFIELD_BYTES)
  if (extra.readUInt16LE(2) !== data.length) throw corrupt(name, 'a gzip member with more than one subfield')
  if (id === FRAME_ID && data.length === 4) return yield* scanFrame(header, extra, name)
  const body = asBuffer(yield EMPTY_BODY.length)
  if (!body.equals(EMPTY_BODY)) throw corrupt(name, 'a piece of its seek table is not empty')
  if (id === TABLE_ID && data.length > 0 && data.length % ENTRY_BYTES === 0) return scannedTable(data, name)
  if (id === FOOTER_ID && data.length === FOOTER_DATA_BYTES) {
    const { frames, tableStart } = decodeFooter(data)
    if (frames === read.frames && tableStart === read.storedBytes)
      return { type: 'table', totals: NO_FRAMES, isLast: true }
  }
  throw corrupt(name, 'its seek table does not agree with its frames')
}

function* scanFrame(header: Buffer, extra: Buffer, name: string): Scan {
  const storedBytes = extra.readUInt32LE(SUBFIELD_BYTES)
  if (storedBytes > FRAME_STORED_MAX || storedBytes < GZIP_FRAME_OVERHEAD) {
    throw corrupt(name, `a gzip member of ${storedBytes} bytes`)
  }
  const body = asBuffer(yield storedBytes - FRAME_HEADER_BYTES)
  const maxBytes = body.readUInt32LE(body.length - 4)
  if (maxBytes > FRAME_DECODED_MAX) throw corrupt(name, `a frame of ${maxBytes} bytes, more than ${FRAME_DECODED_MAX}`)
  return { type: 'frame', parts: [header, extra, body], maxBytes }
}

function scannedTable(entries: Buffer, name: string): Scanned {
  let { frames, storedBytes, sizeBytes } = NO_FRAMES
  for (const frame of decodeEntries(entries)) {
    checkFrameSize(frame, name)
    frames += 1
    storedBytes += frame.storedBytes
    sizeBytes += frame.sizeBytes
  }
  return { type: 'table', totals: { frames, storedBytes, sizeBytes }, isLast: false }
}

function memberHeader(id: string, data: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES + SUBFIELD_BYTES + data.length)
  // Magic, deflate, FEXTRA, no time, no flags, unknown system.
  header.set([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255])
  header.writeUInt16LE(SUBFIELD_BYTES + data.length, 10)
  header.write(id, HEADER_BYTES, 'latin1')
  header.writeUInt16LE(data.length, HEADER_BYTES + 2)
  header.set(data, HEADER_BYTES + SUBFIELD_BYTES)
  return header
}

function checkHeader(header: Buffer): boolean {
  return header[0] === 0x1f && header[1] === 0x8b && header[2] === 8 && header[3] === 4
}

/** The data of an empty member's one subfield; undefined if these bytes are not such a member. */
function decodeEmptyMember(member: Buffer, id: string): Buffer | undefined {
  const data = member.subarray(HEADER_BYTES + SUBFIELD_BYTES, member.length - EMPTY_BODY.length)
  return Buffer.concat([memberHeader(id, data), EMPTY_BODY]).equals(member) ? data : undefined
}

function emptyMemberBytes(dataBytes: number): number {
  return HEADER_BYTES + SUBFIELD_BYTES + dataBytes + EMPTY_BODY.length
}

function tableBytes(frames: number): number {
  const rest = frames % MEMBER_ENTRIES
  const full = (frames - rest) / MEMBER_ENTRIES
  return full * emptyMemberBytes(MEMBER_ENTRIES * ENTRY_BYTES) + (rest === 0 ? 0 : emptyMemberBytes(rest * ENTRY_BYTES))
}

function decodeFooter(data: Buffer): { frames: number; tableStart: number } {
  return { frames: data.readUInt32LE(0), tableStart: Number(data.readBigUInt64LE(4)) }
}

function* decodeEntries(entries: Buffer): Generator<FrameSize, void, undefined> {
  for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
    yield { storedBytes: entries.readUInt32LE(at), sizeBytes: entries.readUInt32LE(at + 4) }
  }
}
