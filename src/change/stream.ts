import { fstat } from 'node:fs'
import { promisify } from 'node:util'
import { PART_BYTES } from '../constants.js'
import { BackupError, isBackupError } from '../errors.js'
import { abortable } from '../flow/abortable.js'
import { measured } from '../flow/known-size.js'
import { EXTENTS_MAX } from '../format/sparse-map.js'
import { closeDescriptor, createScanner, dataExtents, FileType, type OpenFile } from '../native.js'
import { printPath } from '../path.js'
import { DiskContent, isNotFound, isNow, noFile, readChunk, readFailed } from '../source/disk.js'
import { readAhead, readsOf, readsToEnd } from '../source/read-ahead.js'
import { SecondLook } from '../source/second-look.js'
import type { Change, Entry, Extent, Look, ReadRange, Signed, Source } from '../types.js'
import { asChange, basesOf, decideBody, loadBasis, whyNoBasis, withStat } from './decide-body.js'
import { MappedBody } from './mapped-body.js'
import { whyNoDelta } from './policy.js'
import { Failed } from './read-batch.js'
import { type Input, type SignContext, StreamBody, scanOptions } from './stream-body.js'
import { useMap } from './use-map.js'

const statFile = promisify(fstat)

/** Signs a content that is not read in a batch: a large file on disk, or a stream of whatever origin. */
export async function* signStream(
  entry: Entry,
  context: SignContext
): AsyncGenerator<Signed | Failed, void, undefined> {
  if (!(entry.content instanceof DiskContent)) {
    yield* signSequential(entry, context)
    return
  }
  const { signal } = context
  const { content } = entry
  const file = await content.openFile(signal).catch(async error => {
    if (signal?.aborted || !isBackupError(error)) throw error
    const isGone = isNotFound(error) && !(await new SecondLook(content.root, signal).isListed(content.path))
    return new Failed(entry, isGone ? undefined : error)
  })
  if (file instanceof Failed) yield file
  else yield* signFile(entry, file, context)
}

async function* signFile(entry: Entry, file: OpenFile, context: SignContext): AsyncGenerator<Signed | Failed> {
  try {
    if (file.stat.types[0] !== FileType.file) {
      yield new Failed(entry, noFile(entry))
      return
    }
    const item = withStat(entry, file.stat, 0)
    const look = () => changedSince(file)
    const { pool, signal } = context
    const read: ReadRange = (start, end) => readChunk(file.fd, start, end - start)
    const body = await useMap(item, { read, look }, context)
    if (body instanceof MappedBody) {
      yield { ...item, map: body.map, body }
      return
    }
    const extents = item.sparse ? await findData(file.fd, item, signal) : undefined
    if (extents instanceof Failed) {
      yield extents
      return
    }
    const reads = extents === undefined ? readsToEnd(file.fd, pool) : readsOf(file.fd, extents, item.sizeBytes ?? 0)
    const input = { chunks: readAhead(reads), look, isWhole: true, extents }
    yield await withBody({ map: body, ...item }, input, context)
  } finally {
    // What was only read takes no harm from a close that fails.
    await closeDescriptor(file.fd).catch(() => {})
  }
}

async function findData(fd: number, item: Change, signal?: AbortSignal): Promise<readonly Extent[] | Failed> {
  return dataExtents(fd, item.sizeBytes ?? 0, EXTENTS_MAX, signal).catch(error => {
    if (signal?.aborted || !isBackupError(error)) throw error
    return new Failed(item, readFailed(item, error.cause))
  })
}

async function changedSince({ fd, isSettled, stat: was }: OpenFile): Promise<Look> {
  const { mtimeNs, ctimeNs, ino, size } = await statFile(fd, { bigint: true })
  const isSame =
    mtimeNs === was.mtimesNs[0] && ctimeNs === was.ctimesNs[0] && ino === was.inos[0] && Number(size) === was.sizes[0]
  return { dirty: !isSettled || !isSame, racy: isNow(mtimeNs) || isNow(ctimeNs) }
}

/** A content of another origin, read once, now: in memory up to one part, streamed beyond. */
async function* signSequential(entry: Entry, context: SignContext): AsyncGenerator<Signed | Failed> {
  const { signal } = context
  const item = await measured(asChange(entry), signal).catch(error => {
    if (signal?.aborted) throw error
    return new Failed(entry, isBackupError(error) ? error : readFailed(entry, error))
  })
  if (item instanceof Failed) {
    yield item
    return
  }
  const { look, readRange } = entry.content!
  const body = await useMap(item, readRange && { read: readRange, look }, context)
  if (body instanceof MappedBody) {
    yield { ...item, map: body.map, body }
    return
  }
  const chunks = abortable(entry.content!.open(), signal)
  try {
    const first = await readFirst(chunks, PART_BYTES).catch(error => {
      if (signal?.aborted) throw error
      return new Failed(entry, isBackupError(error) ? error : readFailed(entry, error))
    })
    if (first instanceof Failed) yield first
    else if (first.isWhole) {
      const bytes = first.chunks.length === 1 ? first.chunks[0]! : Buffer.concat(first.chunks)
      const look = await lookAgain(entry, context)
      if (look instanceof Failed) yield look
      else yield await decideBytes({ ...item, sizeBytes: bytes.length }, { bytes, look }, context)
    } else {
      yield await withBody({ map: body, ...item }, { chunks: resume(first.chunks, chunks), look }, context)
    }
  } finally {
    await chunks.return()
  }
}

/** What has become of the file that a content is made of, if it is made of one. */
async function lookAgain(entry: Entry, { signal }: SignContext): Promise<Look | Failed | undefined> {
  try {
    return await entry.content?.look?.()
  } catch (error) {
    if (signal?.aborted) throw error
    return new Failed(entry, isBackupError(error) ? error : readFailed(entry, error))
  }
}

/** The first chunks of a content: all of them, or more than `maxBytes`. */
async function readFirst(
  source: AsyncGenerator<Uint8Array, void, undefined>,
  maxBytes: number
): Promise<{ readonly chunks: Uint8Array[]; readonly isWhole: boolean }> {
  const chunks: Uint8Array[] = []
  for (let bytes = 0; bytes <= maxBytes; ) {
    const { value, done } = await source.next()
    if (done) return { chunks, isWhole: true }
    chunks.push(value)
    bytes += value.length
  }
  return { chunks, isWhole: false }
}

async function* resume(first: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  while (first.length > 0) yield first.shift()!
  for (;;) {
    const { value, done } = await rest.next()
    if (done) return
    yield value
  }
}

async function decideBytes(
  item: Change,
  { bytes, look }: { readonly bytes: Uint8Array; readonly look: Look | undefined },
  context: SignContext
): Promise<Signed> {
  const { policy, signal } = context
  const scanner = createScanner(scanOptions(bytes.length, policy))
  await scanner.update(bytes, signal)
  const { sha256, signature } = await scanner.finish(signal)
  const summary = {
    sizeBytes: bytes.length,
    sha256: sha256.toString('hex'),
    signature: signature.length === 0 ? undefined : signature,
    copies: 0,
    dirty: look?.dirty || undefined,
    racy: look?.racy || undefined
  }
  return decideBody(item, { bytes, summary }, context)
}

async function withBody(item: Signed, input: Input, context: SignContext): Promise<Signed> {
  const { sizeBytes } = item
  const { policy, signal } = context
  const { value: from } = await basesOf(item, context).next()
  const refused = from && whyNoDelta(from.entry, sizeBytes ?? Infinity, policy)
  const basis = from !== undefined && refused === undefined ? await loadBasis(from, signal) : undefined
  if (sizeBytes === undefined && basis === undefined) {
    const message = `${printPath(item.path)} is larger than ${PART_BYTES} bytes and its size is not known`
    throw new BackupError('IBT_SIZE_UNKNOWN', message, { path: item.path })
  }
  const isOther = from?.entry !== item.previous
  const reason = from === undefined || isOther || basis !== undefined ? undefined : (refused ?? whyNoBasis(from))
  const chunks = counted(item.path, input.chunks, context)
  const body = new StreamBody(item, { ...input, chunks, reason }, basis, context)
  return { ...item, origin: basis !== undefined && isOther ? from?.entry : undefined, body }
}

/** Says how many bytes have been read as they go on. */
function counted(path: string, chunks: Source<Uint8Array>, { onRead }: SignContext): Source<Uint8Array> {
  if (onRead === undefined) return chunks
  return (async function* () {
    for await (const chunk of chunks) {
      onRead(path, chunk.length)
      yield chunk
    }
  })()
}
