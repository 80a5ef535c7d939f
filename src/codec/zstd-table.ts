import { asBuffer } from '../format/byte-reader.js'
import type { FrameIndex, FrameSize, ReadRange } from '../types.js'
import { NO_FRAMES, type Scan } from './frame-scan.js'
import { checkFrameSize, FrameTable } from './frame-table.js'
import { corrupt, FRAMES_MAX, TABLE_READ_BYTES, truncated } from './limits.js'
import { exactly } from './tail.js'

export const TABLE_MAGIC = 0x184d2a5e
const FOOTER_MAGIC = 0x8f92eab1
const FRAME_HEADER_BYTES = 8
const FOOTER_BYTES = 9
const ENTRY_BYTES = 8

/**
 * Writes the seek table: a skippable frame at the end of an artifact.
 * Source: zstd's contrib/seekable_format/zstd_seekable_compression_format.md, 0.1.0; entries without checksums.
 */
export function encodeZstdTable(frames: readonly FrameSize[]): Uint8Array {
  const bodyBytes = frames.length * ENTRY_BYTES + FOOTER_BYTES
  const table = Buffer.alloc(FRAME_HEADER_BYTES + bodyBytes)
  table.writeUInt32LE(TABLE_MAGIC, 0)
  table.writeUInt32LE(bodyBytes, 4)
  let at = FRAME_HEADER_BYTES
  for (const { storedBytes, sizeBytes } of frames) {
    table.writeUInt32LE(storedBytes, at)
    table.writeUInt32LE(sizeBytes, at + 4)
    at += ENTRY_BYTES
  }
  table.writeUInt32LE(frames.length, at)
  table.writeUInt32LE(FOOTER_MAGIC, at + 5)
  return table
}

/** Reads the seek table from the end of an artifact. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED */
export async function readZstdTable(read: ReadRange, storedBytes: number, name: string): Promise<FrameIndex> {
  if (storedBytes < FRAME_HEADER_BYTES + FOOTER_BYTES) throw truncated(name, `${storedBytes} bytes hold no seek table`)
  const readPart = exactly(read, name)
  const footer = asBuffer(await readPart(storedBytes - FOOTER_BYTES, storedBytes))
  if (footer.readUInt32LE(5) !== FOOTER_MAGIC) throw truncated(name, 'it ends without its seek table')
  const frames = decodeFooter(footer, name)
  const entriesEnd = storedBytes - FOOTER_BYTES
  const entriesStart = entriesEnd - frames * ENTRY_BYTES
  const tableStart = entriesStart - FRAME_HEADER_BYTES
  if (tableStart < 0) throw corrupt(name, `its seek table claims ${frames} frames, more than it can hold`)
  const table = new FrameTable(frames, name)
  for (let at = tableStart; at < entriesEnd; at += TABLE_READ_BYTES) {
    const part = asBuffer(await readPart(at, Math.min(entriesEnd, at + TABLE_READ_BYTES)))
    const entries = at === tableStart ? part.subarray(checkHeader(part, storedBytes - entriesStart, name)) : part
    for (const frame of decodeEntries(entries)) table.add(frame)
  }
  if (table.storedBytes !== tableStart) {
    throw corrupt(name, `its seek table adds up to ${table.storedBytes} bytes, its frames to ${tableStart}`)
  }
  return table
}

/** How long the header is of a table whose body is so long. */
function checkHeader(header: Buffer, bodyBytes: number, name: string): number {
  const isRight = header.readUInt32LE(0) === TABLE_MAGIC && header.readUInt32LE(4) === bodyBytes
  if (!isRight) throw corrupt(name, 'its seek table does not begin where it should')
  return FRAME_HEADER_BYTES
}

/** Scans a seek table on a pipe, behind its magic number. @throws BackupError IBT_ARCHIVE_CORRUPT */
export function* scanZstdTable(name: string): Scan {
  const bodyBytes = asBuffer(yield 4).readUInt32LE(0)
  if (bodyBytes < FOOTER_BYTES || (bodyBytes - FOOTER_BYTES) % ENTRY_BYTES !== 0) {
    throw corrupt(name, `a seek table of ${bodyBytes} bytes`)
  }
  let totals = NO_FRAMES
  for (let left = bodyBytes - FOOTER_BYTES; left > 0; ) {
    const entries = asBuffer(yield Math.min(left, TABLE_READ_BYTES))
    left -= entries.length
    for (const frame of decodeEntries(entries)) {
      checkFrameSize(frame, name)
      totals = {
        frames: totals.frames + 1,
        storedBytes: totals.storedBytes + frame.storedBytes,
        sizeBytes: totals.sizeBytes + frame.sizeBytes
      }
    }
  }
  const footer = asBuffer(yield FOOTER_BYTES)
  if (footer.readUInt32LE(5) !== FOOTER_MAGIC || decodeFooter(footer, name) !== totals.frames) {
    throw corrupt(name, 'the footer of its seek table is not right')
  }
  return { type: 'table', totals, isLast: true }
}

function decodeFooter(footer: Buffer, name: string): number {
  const frames = footer.readUInt32LE(0)
  if (footer[4] !== 0) throw corrupt(name, `its seek table has unknown flags 0x${footer[4]!.toString(16)}`)
  if (frames > FRAMES_MAX) throw corrupt(name, `its seek table claims ${frames} frames, more than ${FRAMES_MAX}`)
  return frames
}

function* decodeEntries(entries: Buffer): Generator<FrameSize, void, undefined> {
  for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
    yield { storedBytes: entries.readUInt32LE(at), sizeBytes: entries.readUInt32LE(at + 4) }
  }
}
