import { PART_BYTES } from '../constants.js'
import { BackupError, isBackupError } from '../errors.js'
import { abortable, untilAbort } from '../flow/abortable.js'
import { temporaryName } from '../native/temporary-name.js'
import { closeDescriptor, type OpenFile, Operation, openFile } from '../native.js'
import { encodePath, joinPath, parentPath, printPath } from '../path.js'
import type { Content } from '../types.js'
import { type LargeFile, writeLargeFile } from './large-file.js'
import type { OpenDirectories, OpenDirectoriesOptions, Place } from './open-directories.js'
import type { OperationQueue } from './operation-queue.js'
import { PatchedContent } from './patched.js'
import { type Restorable, restoredMetadata } from './restored.js'
import type { OldVersion } from './reuse.js'

export interface FileWriterOptions extends Pick<OpenDirectoriesOptions, 'owners' | 'signal'> {
  /** Whether an error of a content costs its entry alone. */
  readonly costsEntry: (error: BackupError) => boolean
}

/** Writes files with their contents. A file has its name only when its bytes are proven. */
export class FileWriter {
  /** Devices whose files cannot share blocks. */
  readonly #unable = new Set<bigint>()

  constructor(
    readonly root: number,
    readonly queue: OperationQueue,
    readonly directories: OpenDirectories,
    readonly options: FileWriterOptions
  ) {}

  async write(place: Place): Promise<void> {
    const { restoration, there } = place
    const { entry } = restoration
    const { content, sizeBytes = Infinity } = entry
    const { signal } = this.options
    const chunks = () => abortable(content?.open() ?? [], signal)
    if (sizeBytes > PART_BYTES) return this.#writeLarge(place, chunks)
    const read = () => (content?.read === undefined ? buffer(entry, chunks()) : untilAbort(content.read(), signal))
    const unproven = content instanceof PatchedContent ? content.unproven : undefined
    const stored = unproven?.body
    const body = stored?.inMemory() ?? (await (stored ? buffer(entry, abortable(stored.open(), signal)) : read()))
    const proof = unproven && { sha256: unproven.sha256, again: read }
    const isInTheWay = there?.type === 'directory'
    if (isInTheWay) await this.directories.clear(place)
    const code = entry.sparse ? Operation.writeSparseFile : Operation.writeFile
    const other = there === undefined || isInTheWay ? undefined : await temporaryName()
    const { path, link } = entry
    const metadata = restoredMetadata(entry, this.options.owners)
    restoration.sizeBytes = body.length
    await this.queue.add({ code, path, other, metadata, link, proof, restoration, completes: true }, body)
  }

  /** The bytes of a large file are proven only when all are written: it gets its name then. */
  async #writeLarge(place: Place, chunks: () => AsyncIterable<Uint8Array>): Promise<void> {
    const { restoration, there } = place
    const { path, link, sparse = false } = restoration.entry
    const { signal } = this.options
    await this.queue.flush()
    const temporary = joinPath(parentPath(path), await temporaryName())
    try {
      const written =
        (await this.#writeOver(place, temporary)) ??
        (await writeLargeFile(this.root, temporary, chunks, { sparse, signal, unable: this.#unable }))
      restoration.sizeBytes = written.sizeBytes
      restoration.sharedBytes = written.sharedBytes
      if (there?.type === 'directory') await this.directories.clear(place)
      const metadata = restoredMetadata(restoration.entry, this.options.owners)
      await this.queue.add({ code: Operation.setMetadata, path: temporary, metadata, restoration })
      const rename = { code: Operation.rename, path: temporary, other: path, link }
      await this.queue.add({ ...rename, restoration, completes: true })
      // It is still there if the rename has failed.
      await this.queue.add({ code: Operation.unlink, path: temporary })
      await this.queue.flush()
    } catch (error) {
      await this.queue.discard(temporary)
      if (!isBackupError(error) || error.path !== temporary || !(error.cause instanceof Error)) throw error
      this.queue.fail({ code: Operation.writeFile, path, link, restoration }, error.cause)
    }
  }

  /** Writes a large file with what the file in its place has of it. Undefined: it was not written. */
  async #writeOver({ restoration, there }: Place, temporary: string): Promise<LargeFile | undefined> {
    const { path, content, sparse = false } = restoration.entry
    const { signal } = this.options
    if (there?.type !== 'file' || !isOverOld(content)) return undefined
    let old: OpenFile | undefined
    try {
      old = await openFile(this.root, encodePath(path), 'read', signal)
      const open = await content.openOver({ fd: old.fd, path, sizeBytes: there.sizeBytes ?? 0 })
      if (open === undefined) return undefined
      const options = { sparse, signal, unable: this.#unable }
      return await writeLargeFile(this.root, temporary, shared => abortable(open(shared), signal), options)
    } catch (error) {
      if (signal?.aborted || !isBackupError(error) || error.code === 'IBT_WRITE_FAILED') throw error
      // It is the content that cannot be had, with an old version or without.
      if (error.code !== 'IBT_HASH_MISMATCH' && this.options.costsEntry(error)) throw error
      // There is no signature, or the old file changes meanwhile: the archives have all of it.
      await this.queue.discard(temporary)
      return undefined
    } finally {
      if (old !== undefined) await closeDescriptor(old.fd)
    }
  }
}

/** A content that takes what an old version of its file has of it from there. */
interface OverOld extends Content {
  openOver(old: OldVersion): ReturnType<PatchedContent['openOver']>
}

function isOverOld(content: Content | undefined): content is OverOld {
  return content !== undefined && 'openOver' in content
}

/** Reads all of a content that says it is small. @throws BackupError IBT_FILE_CHANGED if it is not */
async function buffer({ path }: Restorable, chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const buffered: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of chunks) {
    buffered.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes <= PART_BYTES) continue
    throw new BackupError('IBT_FILE_CHANGED', `${printPath(path)} has more bytes than its entry says`, { path })
  }
  return buffered.length === 1 ? buffered[0]! : Buffer.concat(buffered)
}
