import { BackupError, isBackupError } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { Cursor } from '../flow/cursor.js'
import { onAbort } from '../flow/on-abort.js'
import { ByteReader } from '../format/byte-reader.js'
import type { Source, StageContext } from '../types.js'
import { type ForeignHeader, HeaderReader } from './tar-headers.js'
import type { TarNameOptions } from './tar-names.js'

/** Options of all that reads foreign tars. */
export interface TarReaderOptions extends TarNameOptions, StageContext {
  /** Sees what is left out: an entry whose name or link target is unsafe or empty. Default: such an entry is an error. */
  readonly onError?: ((error: BackupError) => void) | undefined
}

/** What reads the body of an entry. */
export interface TarBody {
  /** Passes over what is left of it. */
  drain(): Promise<void>
}

/**
 * Reads a tar entry by entry; `take` makes of each what is yielded, and its body is drained at the next pull.
 *
 * @throws BackupError as `fromTar`; the signal's reason; whatever the source throws.
 */
export async function* readTar<T extends TarBody>(
  source: Source<Uint8Array>,
  options: TarReaderOptions,
  take: (bytes: ByteReader, found: ForeignHeader) => T
): AsyncGenerator<{ readonly found: ForeignHeader; readonly body: T }, void, undefined> {
  const cursor = new Cursor(source)
  const bytes = new ByteReader(chunksOf(cursor))
  const headers = new HeaderReader(bytes, options)
  const breather = createBreather()
  const stopListening = onAbort(options.signal, reason => cursor.break(reason))
  try {
    for (let count = 0; ; count++) {
      if (breather.due()) await breather.pause()
      const found = await nextHeader(headers, count)
      if (found === undefined) break
      const body = take(bytes, found)
      if (isTaken(found, options)) yield { found, body }
      await body.drain()
    }
    // A process that writes the tar fills it up with zeros, and fails if nobody takes them.
    while ((await bytes.some(Infinity)).length > 0) if (breather.due()) await breather.pause()
  } finally {
    stopListening()
    // A reader of a content may still wait for bytes.
    cursor.break(new Error('The consumer stopped'))
    await cursor.close()
  }
}

function isTaken({ leftOut }: ForeignHeader, { onError }: TarReaderOptions): boolean {
  if (leftOut === undefined) return true
  if (leftOut === true) return false
  if (onError === undefined) throw leftOut
  onError(leftOut)
  return false
}

/** The source itself, but that a pull under way can be broken off. */
function chunksOf(cursor: Cursor<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: async () => cursor.next() }) }
}

async function nextHeader(headers: HeaderReader, count: number): Promise<ForeignHeader | undefined> {
  try {
    return await headers.next()
  } catch (cause) {
    if (!isBackupError(cause) || cause.code !== 'IBT_ARCHIVE_CORRUPT') throw cause
    const where = count === 0 ? 'The source is not a tar, or is compressed' : `The tar is damaged after entry ${count}`
    throw new BackupError(cause.code, `${where}: ${cause.message}`, { cause })
  }
}
