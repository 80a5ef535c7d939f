import { BackupError, isBackupError } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { Cursor } from '../flow/cursor.js'
import { onAbort } from '../flow/on-abort.js'
import { ByteReader } from '../format/byte-reader.js'
import type { Source, StageContext } from '../types.js'
import { SequentialContent } from './tar-content.js'
import { type FromTarOptions, type TarEntry, TarLinks, toEntry } from './tar-entry.js'
import { type ForeignHeader, HeaderReader } from './tar-headers.js'

export type { FromTarOptions, TarEntry } from './tar-entry.js'

/**
 * The entries of a tar, of whatever tool: ustar, PAX and GNU headers.
 *
 * Yields `Entry` in the tar's order, which need not be path order; contents are sequential: what is not read of one is
 * skipped at the next pull. A further member of a hard-link group is a file without content and size whose `linkTo` names
 * the earlier member. A tar does not say which files have further names: each is a group of its own until a link to it
 * comes. A sparse file comes with its holes as zeros. Volume labels are passed over.
 * Look-ahead: none. Memory: one chunk of the source, one header, the map of one sparse file, and one table entry for
 * each file and symlink.
 * Source: POSIX.1-2017 pax, GNU tar manual; judged by GNU tar and bsdtar.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED without a closing zero block; IBT_ARCHIVE_CORRUPT; IBT_UNSAFE_PATH for an
 * absolute path or one with '..'; IBT_UNSUPPORTED_TYPE for sparse files of PAX form 0.0, entries of several volumes and
 * unknown types; the signal's reason; whatever the source throws.
 */
export async function* fromTar(
  source: Source<Uint8Array>,
  options: FromTarOptions & StageContext = {}
): AsyncGenerator<TarEntry, void, undefined> {
  const cursor = new Cursor(source)
  const bytes = new ByteReader(chunksOf(cursor))
  const headers = new HeaderReader(bytes)
  const links = new TarLinks()
  const breather = createBreather()
  const stopListening = onAbort(options.signal, reason => cursor.break(reason))
  try {
    for (let count = 0; ; count++) {
      if (breather.due()) await breather.pause()
      const found = await nextHeader(headers, count)
      if (found === undefined) break
      const content = new SequentialContent(bytes, found)
      yield links.number(toEntry(found, content, options))
      await content.drain()
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

/** The source itself, but that a pull under way can be broken off. */
function chunksOf(cursor: Cursor<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: async () => cursor.next() }) }
}

async function nextHeader(headers: HeaderReader, count: number): Promise<ForeignHeader | undefined> {
  try {
    return await headers.next()
  } catch (cause) {
    if (!isBackupError(cause) || cause.code !== 'IBT_ARCHIVE_CORRUPT') throw cause
    const where = count === 0 ? 'The source is no tar, or compressed' : `The tar is damaged behind its entry ${count}`
    throw new BackupError(cause.code, `${where}: ${cause.message}`, { cause })
  }
}
