import { type Extract, extract, type Header } from 'tar-stream'
import { onAbort } from '../abortable.js'
import { BackupError } from '../errors.js'
import type { Entry, Signed, Source, StageContext } from '../types.js'
import { Feed } from './feed.js'
import { type EntryStream, SequentialContent } from './tar-content.js'
import { type FromTarOptions, tarEntry } from './tar-entry.js'

export type { FromTarOptions } from './tar-entry.js'
export { type TarStreamReport, toTarStream } from './to-tar-stream.js'

const BLOCK = 512

/**
 * The entries of a tar, of whatever tool: ustar, PAX and GNU headers, read by tar-stream.
 *
 * Yields `Entry` in the tar's order, which need not be path order; contents are sequential: what is not read of one is
 * drained at the next pull. A further member of a hard-link group is a file without content and size whose `linkTo` names
 * the earlier member. A tar does not say which files have further names: each is a group of its own until a link to it
 * comes. Look-ahead: none. Memory: one chunk of the source, tar-stream's buffers, and one table entry for each file.
 * Source: tar-stream's extract; judged by GNU tar and bsdtar.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED without the closing zero blocks; IBT_ARCHIVE_CORRUPT; IBT_UNSAFE_PATH for an
 * absolute path or one with '..'; IBT_UNSUPPORTED_TYPE for sparse files and unknown types; IBT_NAME_INVALID for a PAX path
 * that is not UTF-8, which tar-stream cannot read; the signal's reason; whatever the source throws.
 */
export async function* fromTar(
  source: Source<Uint8Array>,
  options: FromTarOptions & StageContext = {}
): AsyncGenerator<Entry & Pick<Signed, 'linkTo'>, void, undefined> {
  const bytes = new CountedBytes(source)
  // Names come as bytes in this way; `tarEntry` decodes them.
  const extractor: Extract = extract({ filenameEncoding: 'latin1' } as object)
  const streams = extractor[Symbol.asyncIterator]() as AsyncIterator<EntryStream & { readonly header: Header }>
  const feed = new Feed(bytes, extractor)
  const stopListening = onAbort(options.signal, reason => feed.fail(reason))
  const fed = feed.run()
  fed.catch(() => {})
  const groups = new LinkNumbers()
  let end = 0
  try {
    for (;;) {
      const { value: stream, done } = await streams.next()
      if (done) break
      const { header } = stream
      end = bodyEnd(header)
      const content = header.type === 'link' ? undefined : new SequentialContent(stream, header.name, toError)
      yield groups.number(tarEntry(header, content, options))
      await (content ?? new SequentialContent(stream, header.name, toError)).drain()
    }
    await fed
    if (!bytes.endsInZeros || bytes.total < end + BLOCK) throw truncated()
  } catch (error) {
    if (bytes.failure !== undefined) throw bytes.failure.error
    throw toError(feed.failure === undefined ? error : feed.failure.error)
  } finally {
    stopListening()
    feed.fail(new Error('The consumer stopped'))
    await fed.catch(() => {})
  }
}

/** Numbers files, for links that may follow. */
class LinkNumbers {
  readonly #byPath = new Map<string, number>()
  #count = 0

  number<T extends Entry & Pick<Signed, 'linkTo'>>(entry: T): T {
    const { type, path, linkTo } = entry
    if (type !== 'file') return entry
    const link = linkTo === undefined ? this.#count++ : this.#byPath.get(linkTo)
    // A link to a link is one to the same file.
    if (link !== undefined) this.#byPath.set(path, link)
    return { link, ...entry }
  }
}

function bodyEnd(header: Header): number {
  const { byteOffset, size } = header as Header & { readonly byteOffset: number }
  return byteOffset + Math.ceil(size / BLOCK) * BLOCK
}

/** tar-stream's errors have no codes: its version is pinned, and a test holds their words. */
function toError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (error.message === 'Unexpected end of data') return truncated(error)
  if (!/^(Invalid (tar )?header|Header exceeds)/.test(error.message)) return error
  const message = `The tar is damaged, or it is compressed: ${error.message}`
  return new BackupError('IBT_ARCHIVE_CORRUPT', message, { cause: error })
}

function truncated(cause?: Error): BackupError {
  return new BackupError('IBT_ARCHIVE_TRUNCATED', 'The tar ends before its closing zero blocks', { cause })
}

/** Counts the bytes on their way, and keeps an error of the source apart from those of the tar. */
class CountedBytes implements AsyncIterable<Uint8Array> {
  readonly #source: Source<Uint8Array>
  total = 0
  #zeros = 0
  failure: { readonly error: unknown } | undefined

  constructor(source: Source<Uint8Array>) {
    this.#source = source
  }

  /** Whether the last block is all zeros. */
  get endsInZeros(): boolean {
    return this.#zeros >= BLOCK
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of this.#source) {
        this.total += chunk.length
        const last = chunk.subarray(-BLOCK).findLastIndex((byte: number) => byte !== 0)
        this.#zeros = last >= 0 ? Math.min(chunk.length, BLOCK) - 1 - last : this.#zeros + chunk.length
        yield chunk
      }
    } catch (error) {
      this.failure = { error }
      throw error
    }
  }
}
