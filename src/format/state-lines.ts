import { isUtf8 } from 'node:buffer'
import { BackupError } from '../errors.js'
import type { Source } from '../types.js'

/** Bytes of one line, at most. */
export const STATE_LINE_BYTES = 16 * 1024 * 1024
/** Bytes that are looked at together: V8 keeps a larger text apart from others, which takes several times as long. */
const WINDOW_BYTES = 64 * 1024
const NEWLINE = 0x0a

/** Whole lines of a state, with their line feeds. */
export class Window {
  #text: string | undefined

  constructor(readonly bytes: Buffer) {}

  /** One character for each byte: what they say is for others to decode. */
  get text(): string {
    return (this.#text ??= this.bytes.toString('latin1'))
  }
}

/**
 * Gathers bytes into whole lines.
 *
 * Memory: one window and one line. Source order.
 *
 * @throws BackupError IBT_STATE_INVALID for a line above `STATE_LINE_BYTES`, and for what is not UTF-8;
 * IBT_ARCHIVE_TRUNCATED if the last line has no end.
 */
export async function* stateLines(source: Source<Uint8Array>): AsyncGenerator<Window, void, undefined> {
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  for await (const chunk of source) {
    let at = 0
    for (let end = lineEnd(chunk, at); end > 0; end = lineEnd(chunk, at)) {
      const lines = chunk.subarray(at, end)
      yield toWindow(pendingBytes === 0 ? lines : Buffer.concat([...pending, lines]))
      pending = []
      pendingBytes = 0
      at = end
    }
    if (at === chunk.length) continue
    pending.push(chunk.subarray(at))
    pendingBytes += chunk.length - at
    checkLength(pendingBytes)
  }
  if (pendingBytes > 0) throw new BackupError('IBT_ARCHIVE_TRUNCATED', 'The state ends in the middle of a line')
}

/** Where the lines of the next window end; 0 if no line ends in the chunk any more. */
function lineEnd(chunk: Uint8Array, start: number): number {
  const end = start + WINDOW_BYTES
  const last = chunk.lastIndexOf(NEWLINE, Math.min(end, chunk.length) - 1)
  return 1 + (last >= start ? last : chunk.indexOf(NEWLINE, end))
}

function toWindow(lines: Uint8Array): Window {
  checkLength(lines.length)
  const bytes = Buffer.from(lines.buffer, lines.byteOffset, lines.length)
  if (!isUtf8(bytes)) throw invalidBytes('is not UTF-8')
  return new Window(bytes)
}

/** Of a part of a line, or of a window, which is longer than others only if it is one line. */
function checkLength(bytes: number): void {
  if (bytes > STATE_LINE_BYTES) throw invalidBytes(`has a line of more than ${STATE_LINE_BYTES} bytes`)
}

function invalidBytes(what: string): BackupError {
  return new BackupError('IBT_STATE_INVALID', `The state ${what}`)
}
