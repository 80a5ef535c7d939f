import { isUtf8 } from 'node:buffer'
import { CHUNK_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import type { Source } from '../types.js'

/** Options of `mapRecords`. */
export interface MapRecordsOptions {
  /** What ends a record: one byte. Default: `\n`. */
  readonly separator?: string | undefined
  /** Between two of these, a separator is a part of the record: `"` for CSV. Default: none. */
  readonly quote?: string | undefined
  /** Bytes of a record, at most. Default: 1 MiB. */
  readonly maxBytes?: number | undefined
  /** `latin1` gives every byte as one character, whatever it means. Default: `utf8`. */
  readonly encoding?: 'utf8' | 'latin1' | undefined
}

/**
 * A transform for `mapContents` that changes a content record by record: lines of a log, rows of a CSV. `change` gets a
 * record without its separator and its number, from 0, and gives the new one, or undefined to leave it out with its
 * separator. The last record may have no separator, and gets none.
 *
 * Consumes and yields `Uint8Array` of any cut. Memory: one record of up to `maxBytes`, and a chunk.
 *
 * @throws BackupError IBT_READ_FAILED for a record that is longer, or that is not UTF-8: nothing passes unchanged that
 * `change` has not seen. What `change` throws.
 */
export function mapRecords(
  change: (record: string, number: number) => string | undefined,
  options: MapRecordsOptions = {}
): (source: Source<Uint8Array>) => AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof change !== 'function') throw new TypeError('mapRecords: change is a function of a record')
  const { encoding = 'utf8', maxBytes = CHUNK_BYTES } = options
  const separator = byteOf('separator', options.separator ?? '\n')
  const quote = options.quote === undefined ? undefined : byteOf('quote', options.quote)
  return async function* mapRecordsTransform(source) {
    let number = 0
    let made: string[] = []
    let characters = 0
    for await (const { record, isEnded } of split(source, { separator, quote, maxBytes })) {
      if (encoding === 'utf8' && !isUtf8(record)) throw unreadable(number, "is not UTF-8: give encoding 'latin1'")
      const changed = change(record.toString(encoding), number++)
      if (changed === undefined) continue
      made.push(changed, isEnded ? String.fromCharCode(separator) : '')
      characters += changed.length + 1
      if (characters < CHUNK_BYTES) continue
      yield Buffer.from(made.join(''), encoding)
      made = []
      characters = 0
    }
    if (characters > 0) yield Buffer.from(made.join(''), encoding)
  }
}

interface Cut {
  readonly separator: number
  readonly quote: number | undefined
  readonly maxBytes: number
}

/** Cuts bytes behind each separator that is not quoted. */
async function* split(
  source: Source<Uint8Array>,
  { separator, quote, maxBytes }: Cut
): AsyncGenerator<{ readonly record: Buffer; readonly isEnded: boolean }, void, undefined> {
  let begun: Buffer[] = []
  let begunBytes = 0
  let isQuoted = false
  let number = 0
  const take = (bytes: Buffer): void => {
    begunBytes += bytes.length
    if (begunBytes > maxBytes) throw unreadable(number, `is longer than ${maxBytes} bytes`)
    begun.push(bytes)
  }
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let start = 0
    for (let from = 0; ; ) {
      const end = bytes.indexOf(separator, from)
      if (quote !== undefined) isQuoted = isQuoted !== isOdd(bytes, quote, from, end < 0 ? bytes.length : end)
      if (end < 0) break
      from = end + 1
      if (isQuoted) continue
      take(bytes.subarray(start, end))
      yield { record: begun.length === 1 ? begun[0]! : Buffer.concat(begun), isEnded: true }
      begun = []
      begunBytes = 0
      number++
      start = from
    }
    // The rest is copied: the chunk is its owner's again.
    if (start < bytes.length) take(Buffer.from(bytes.subarray(start)))
  }
  if (begunBytes > 0) yield { record: Buffer.concat(begun), isEnded: false }
}

/** Whether a byte occurs an odd number of times. */
function isOdd(bytes: Buffer, byte: number, start: number, end: number): boolean {
  let isOdd = false
  for (let at = bytes.indexOf(byte, start); at >= 0 && at < end; at = bytes.indexOf(byte, at + 1)) isOdd = !isOdd
  return isOdd
}

function byteOf(name: string, text: string): number {
  const bytes = Buffer.from(text)
  if (bytes.length !== 1) throw new RangeError(`mapRecords: ${name} is one byte`)
  return bytes[0]!
}

function unreadable(number: number, what: string): BackupError {
  return new BackupError('IBT_READ_FAILED', `Record ${number} ${what}`)
}
