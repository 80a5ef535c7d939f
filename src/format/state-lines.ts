import { isUtf8 } from 'node:buffer'
import { BackupError } from '../errors.js'
import type { Source } from '../types.js'

/** Bytes of one line, at most. */
export const STATE_LINE_BYTES = 16 * 1024 * 1024
/** Bytes that are turned into text at once. */
const WINDOW_BYTES = 256 * 1024
const NEWLINE = 0x0a

/**
 * Cuts bytes into lines, without their ends.
 *
 * Memory: one window of text and one line. Source order.
 *
 * @throws BackupError IBT_STATE_INVALID for a line above `STATE_LINE_BYTES`, and for what is not UTF-8;
 * IBT_ARCHIVE_TRUNCATED if the last line has no end.
 */
export async function* stateLines(source: Source<Uint8Array>): AsyncGenerator<readonly string[], void, undefined> {
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += WINDOW_BYTES) {
      const window = chunk.subarray(at, at + WINDOW_BYTES)
      const end = window.lastIndexOf(NEWLINE) + 1
      if (end > 0) {
        const text = decode(Buffer.concat([...pending, window.subarray(0, end - 1)]))
        pending = []
        pendingBytes = 0
        yield text.split('\n')
      }
      if (end === window.length) continue
      pending.push(Buffer.from(window.subarray(end)))
      pendingBytes += window.length - end
      if (pendingBytes > STATE_LINE_BYTES) throw invalidBytes(`has a line of more than ${STATE_LINE_BYTES} bytes`)
    }
  }
  if (pendingBytes > 0) throw new BackupError('IBT_ARCHIVE_TRUNCATED', 'The state ends in the middle of a line')
}

function decode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw invalidBytes('is not UTF-8')
  return bytes.toString('utf8')
}

function invalidBytes(what: string): BackupError {
  return new BackupError('IBT_STATE_INVALID', `The state ${what}`)
}
