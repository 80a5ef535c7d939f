import { BackupError } from '../errors.js'
import type { TarHeader } from '../format/tar.js'
import { BLOCK_BYTES, Field, LONG_FIELD, padding } from '../format/tar.js'
import { decodeEntryAt } from '../format/tar-decode.js'
import { readNumber } from '../format/tar-fields.js'
import { printPath } from '../path.js'
import type { Archive, Source } from '../types.js'
import { sparseBody } from './sparse-body.js'

/** Bytes that hold the headers of nearly every entry. */
const HEADER_BYTES = 2048
/** A body up to this size is read with its header. */
export const TOGETHER_BYTES = 256 * 1024

/** Types of entry: PAX records, and a file. */
const RECORDS = 0x78
const PLAIN = 0x30

interface Found {
  readonly header: TarHeader
  /** Offset of the body. */
  readonly start: number
  /** What was read behind the header. */
  readonly behind: Uint8Array
}

/**
 * The body of the entry at an offset of an archive: `sizeBytes` bytes (unless they are not known) under the name `path`,
 * or in parts below it.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT if another entry is there.
 */
export async function* tarBody(
  archive: Archive,
  entry: { readonly path: string; readonly offset: number; readonly sizeBytes: number | undefined }
): AsyncGenerator<Uint8Array, void, undefined> {
  const { path, offset, sizeBytes } = entry
  const wanted = HEADER_BYTES + Math.min(sizeBytes ?? 0, TOGETHER_BYTES)
  const first = await headerAt(archive, offset, wanted, sizeBytes === undefined ? wanted : entryBytes(sizeBytes))
  if (first.header.path === path) {
    const { sparseSizeBytes, sizeBytes: stored } = first.header
    const found = sparseSizeBytes ?? stored
    if (sizeBytes !== undefined && found !== sizeBytes) throw mismatch(archive, entry, `${found} bytes`)
    if (sparseSizeBytes !== undefined) yield* sparseBody(archive, first.start, stored, sparseSizeBytes)
    else if (found > 0) yield* bodyOf(archive, first, found)
    return
  }
  if (sizeBytes === undefined) throw mismatch(archive, entry, printPath(first.header.path))
  let part = first
  for (let number = 1, left = sizeBytes; ; number++) {
    const name = `${path}/${String(number).padStart(8, '0')}`
    if (part.header.path !== name) throw mismatch(archive, entry, printPath(part.header.path))
    const { sizeBytes: partBytes } = part.header
    if (partBytes === 0 || partBytes > left) throw mismatch(archive, entry, `a part of ${partBytes} bytes`)
    yield* archive.bytes(part.start, partBytes)
    left -= partBytes
    if (left === 0) return
    part = await headerAt(archive, part.start + Math.ceil(partBytes / 512) * 512)
  }
}

/**
 * A body of up to `TOGETHER_BYTES` at once, as `tarBody` gives it; may be part of a larger block of memory.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT if another entry is there.
 */
export async function smallTarBody(
  archive: Archive,
  entry: { readonly path: string; readonly offset: number; readonly sizeBytes: number }
): Promise<Uint8Array> {
  const { path, offset, sizeBytes } = entry
  const { header, behind } = await headerAt(archive, offset, HEADER_BYTES + sizeBytes, entryBytes(sizeBytes))
  const isPlain = header.path === path && header.sparseSizeBytes === undefined && header.sizeBytes === sizeBytes
  if (isPlain && behind.length >= sizeBytes) return behind.subarray(0, sizeBytes)
  const parts: Uint8Array[] = []
  for await (const part of tarBody(archive, entry)) parts.push(part)
  return Buffer.concat(parts)
}

/**
 * Where the body of the entry at an offset is: undefined if the archive does not have its bytes in one piece, one after
 * the other, as those of a sparse file.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT if another entry is there.
 */
export async function placeOfBody(
  archive: Archive,
  entry: { readonly path: string; readonly offset: number; readonly sizeBytes: number | undefined }
): Promise<{ readonly start: number; readonly sizeBytes: number } | undefined> {
  const { header, start } = await headerAt(archive, entry.offset)
  if (header.path !== entry.path) throw mismatch(archive, entry, printPath(header.path))
  return header.sparseSizeBytes === undefined ? { start, sizeBytes: header.sizeBytes } : undefined
}

/**
 * A body of up to `TOGETHER_BYTES` that is at hand, as part of a larger block of memory: undefined if it is not, or not
 * as plain as nearly all are. Only its digest tells that it is the right one: of the header it looks at the size alone.
 */
export function bufferedTarBody(archive: Archive, offset: number, sizeBytes: number): Uint8Array | undefined {
  const bytes = archive.held?.(offset, HEADER_BYTES + sizeBytes, entryBytes(sizeBytes))
  if (bytes === undefined) return undefined
  const start = bytes[Field.type] === RECORDS ? BLOCK_BYTES + wholeBlocks(sizeOf(bytes)) : 0
  if (start < 0 || start + BLOCK_BYTES + sizeBytes > bytes.length) return undefined
  const header = bytes.subarray(start)
  if (header[Field.type] !== PLAIN || sizeOf(header) !== sizeBytes) return undefined
  return header.subarray(BLOCK_BYTES, BLOCK_BYTES + sizeBytes)
}

function sizeOf(header: Uint8Array): number {
  return readNumber(header, Field.size, LONG_FIELD, 'size')
}

/** The shortest entry with a body of this size. */
function entryBytes(sizeBytes: number): number {
  return BLOCK_BYTES + wholeBlocks(sizeBytes)
}

function wholeBlocks(sizeBytes: number): number {
  return sizeBytes + padding(sizeBytes)
}

/** A small body came with its header. */
function bodyOf(archive: Archive, { start, behind }: Found, sizeBytes: number): Source<Uint8Array> {
  return behind.length >= sizeBytes ? [behind.subarray(0, sizeBytes)] : archive.bytes(start, sizeBytes)
}

/** The path of the entry at an offset, and where the next one begins. */
export async function entryBehind(
  archive: Archive,
  offset: number
): Promise<{ readonly path: string; readonly end: number }> {
  const { header, start } = await headerAt(archive, offset)
  return { path: header.path, end: start + wholeBlocks(header.sizeBytes) }
}

/** Reads what is `wanted`, or the rest of its frame if that has at least `least` bytes. */
async function headerAt(archive: Archive, offset: number, wanted = HEADER_BYTES, least = wanted): Promise<Found> {
  for (;;) {
    const rest = archive.sizeBytes - offset
    const length = Math.min(wanted, rest)
    if (length <= 0)
      throw new BackupError('IBT_ARCHIVE_TRUNCATED', `${archive.name} ends before byte ${offset}`, {
        path: archive.name
      })
    const bytes = await (archive.view?.(offset, length, Math.min(least, length)) ?? archive.read(offset, length))
    const found = decodeEntryAt(bytes)
    if ('header' in found) {
      const { header, headerBytes } = found
      return { header, start: offset + headerBytes, behind: bytes.subarray(headerBytes) }
    }
    if (found.needBytes <= bytes.length || found.needBytes > rest) {
      throw new BackupError('IBT_ARCHIVE_TRUNCATED', `${archive.name} ends in the header at byte ${offset}`, {
        path: archive.name
      })
    }
    wanted = found.needBytes
    least = wanted
  }
}

function mismatch(
  archive: Archive,
  entry: { path: string; offset: number; sizeBytes: number | undefined },
  found: string
): BackupError {
  const message = `${archive.name} has ${found} at byte ${entry.offset}, not ${printPath(entry.path)} with ${entry.sizeBytes ?? 'its'} bytes`
  return new BackupError('IBT_ARCHIVE_CORRUPT', message, { path: entry.path })
}

/** The whole body of the entry at an offset, whatever its name. @throws BackupError IBT_ARCHIVE_CORRUPT above `maxBytes` */
export async function readBody(archive: Archive, offset: number, maxBytes: number): Promise<Uint8Array> {
  const { header, start } = await headerAt(archive, offset)
  if (header.sizeBytes <= maxBytes) return archive.read(start, header.sizeBytes)
  const message = `${archive.name} has a body of ${header.sizeBytes} bytes at byte ${offset}, at most ${maxBytes} are expected`
  throw new BackupError('IBT_ARCHIVE_CORRUPT', message, { path: archive.name })
}
