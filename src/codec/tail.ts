import type { ReadRange } from '../types.js'
import { TABLE_READ_BYTES, truncated } from './limits.js'

/**
 * Reads the end of an artifact once, so that a short seek table costs one request.
 * Returns a `ReadRange` that serves what lies there from memory, and checks that every answer is complete.
 */
export async function readTail(read: ReadRange, storedBytes: number, name: string): Promise<ReadRange> {
  const exact = exactly(read, name)
  const tailStart = Math.max(0, storedBytes - TABLE_READ_BYTES)
  const tail = await exact(tailStart, storedBytes)
  return async (start, end) =>
    start >= tailStart ? tail.subarray(start - tailStart, end - tailStart) : exact(start, end)
}

/** @throws BackupError IBT_ARCHIVE_TRUNCATED for an answer of another length. */
export function exactly(read: ReadRange, name: string): ReadRange {
  return async (start, end) => {
    if (start === end) return new Uint8Array(0)
    const bytes = await read(start, end)
    if (bytes.length === end - start) return bytes
    throw truncated(name, `the store gave ${bytes.length} bytes where ${start} to ${end} were asked for`)
  }
}
