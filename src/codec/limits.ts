import { BackupError } from '../errors.js'

/** Bytes of one decoded frame, at most: what a foreign archive can make a reader allocate. Ours have `FRAME_BYTES`. */
export const FRAME_DECODED_MAX = 16 * 1024 * 1024
/** Bytes of one stored frame, at most: what does not compress grows by its headers. */
export const FRAME_STORED_MAX = FRAME_DECODED_MAX + 64 * 1024
/** Frames of one artifact, at most: the limit of the zstd seekable format. */
export const FRAMES_MAX = 0x8000000
/** Bytes of a seek table that are read at once. */
export const TABLE_READ_BYTES = 1024 * 1024
/** Bytes at the end of an artifact that are read together, at most: the seek table of 30 GB, or all of a small artifact. */
export const TAIL_READ_BYTES = 256 * 1024
/** At least, of a larger artifact: the seek table of 500 frames. */
const TABLE_BYTES_MIN = 4096
/** Stored bytes for each byte that the seek table is expected to have, at least: it has 8 for a frame. */
const TABLE_SHARE = 4096

/** Bytes at the end of an artifact that have its seek table, most likely: all of a small artifact. */
export function tailBytes(storedBytes: number): number {
  if (storedBytes <= TAIL_READ_BYTES) return storedBytes
  return Math.min(TAIL_READ_BYTES, Math.max(TABLE_BYTES_MIN, Math.ceil(storedBytes / TABLE_SHARE)))
}

export function corrupt(name: string, found: string, cause?: unknown): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `Archive ${name} is corrupt: ${found}`, { path: name, cause })
}

export function truncated(name: string, found: string): BackupError {
  return new BackupError('IBT_ARCHIVE_TRUNCATED', `Archive ${name} is cut off: ${found}`, { path: name })
}

/** An error of one frame, before a reader that knows the artifact's name says it. */
export function corruptFrame(found: string, cause?: unknown): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `Corrupt frame, ${found}`, { cause })
}

/** @throws RangeError for a level out of range or no integer. */
export function checkLevel(codec: string, level: number, min: number, max: number): void {
  if (!Number.isInteger(level) || level < min || level > max) {
    throw new RangeError(`${codec}: level is an integer from ${min} to ${max}, not ${level}`)
  }
}

/** @throws RangeError for a frame that no reader would take. */
export function checkFrame(codec: string, frame: Uint8Array): void {
  if (frame.length > FRAME_DECODED_MAX) {
    throw new RangeError(`${codec}: a frame has at most ${FRAME_DECODED_MAX} bytes, not ${frame.length}`)
  }
}
