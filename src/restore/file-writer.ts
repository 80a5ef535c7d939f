import { PART_BYTES } from '../constants.js'
import { BackupError, isBackupError } from '../errors.js'
import { abortable, untilAbort } from '../flow/abortable.js'
import { isLeftBehind, isPartialOf, partialName, temporaryName } from '../native/temporary-name.js'
import { closeDescriptor, Operation, openFile } from '../native.js'
import { baseName, encodePath, joinPath, parentPath, printPath } from '../path.js'
import type { Content } from '../types.js'
import type { Existing } from './existing.js'
import { type LargeFile, writeLargeFile } from './large-file.js'
import type { OpenDirectories, OpenDirectoriesOptions, Place } from './open-directories.js'
import type { OperationQueue } from './operation-queue.js'
import { PatchedContent } from './patched.js'
import { type Restorable, restoredMetadata } from './restored.js'
import type { OldVersion, OldVersions } from './reuse.js'

/** Less of a file is fetched again. */
const PARTIAL_MIN_BYTES = 1024 * 1024

export interface FileWriterOptions extends Pick<OpenDirectoriesOptions, 'owners' | 'signal'> {
  /** Whether an error of a content costs its entry alone. */
  readonly costsEntry: (error: BackupError) => boolean
  /** Whether what was written of a large file until an error stays under a name of its own, for the next run. */
  readonly keepsPartial: (error: unknown) => boolean
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
    const temporary = joinPath(parentPath(path), await temporaryName(baseName(path)))
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
      if (!(await this.#keep(place, temporary, error))) await this.queue.discard(temporary)
      if (!isBackupError(error) || error.path !== temporary || !(error.cause instanceof Error)) throw error
      this.queue.fail({ code: Operation.writeFile, path, link, restoration }, error.cause)
    }
  }

  /** Writes a large file with what there is of old versions of it. Undefined: it was not written. */
  async #writeOver(place: Place, temporary: string): Promise<LargeFile | undefined> {
    const { content, sparse = false } = place.restoration.entry
    const { signal } = this.options
    if (!isOverOld(content)) return undefined
    const olds: OldVersion[] = []
    try {
      for (const old of [place.there, await largestPartial(place)]) {
        if (old?.type === 'file') olds.push(await this.#open(old))
      }
      const [first, ...others] = olds
      const open = first && (await content.openOver([first, ...others]))
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
      for (const { fd } of olds) await closeDescriptor(fd)
    }
  }

  async #open({ path, sizeBytes = 0 }: Existing): Promise<OldVersion> {
    const { fd } = await openFile(this.root, encodePath(path), 'read', this.options.signal)
    return { fd, path, sizeBytes }
  }

  /** Whether what was written is there for the next run, or was not more than an earlier run has left. */
  async #keep(place: Place, temporary: string, error: unknown): Promise<boolean> {
    if (!this.options.keepsPartial(error)) return false
    const file = await openFile(this.root, encodePath(temporary), 'read').catch(() => undefined)
    if (file === undefined) return false
    await closeDescriptor(file.fd)
    const { sizeBytes: before = 0 } = (await largestPartial(place)) ?? {}
    if (Number(file.stat.sizes[0]) <= Math.max(before, PARTIAL_MIN_BYTES)) return false
    const { path } = place.restoration.entry
    await this.queue.keep(temporary, joinPath(parentPath(path), partialName(baseName(path))))
    return true
  }
}

/** The largest of what earlier runs have left of a file. */
async function largestPartial({ directory, restoration }: Place): Promise<Existing | undefined> {
  const name = baseName(restoration.entry.path)
  let largest: Existing | undefined
  for (const partial of directory.listing?.temporaries() ?? []) {
    if ((partial.sizeBytes ?? 0) <= (largest?.sizeBytes ?? 0) || !isPartialOf(name, partial.path)) continue
    if (await isLeftBehind(partial)) largest = partial
  }
  return largest
}

/** A content that takes what an old version of its file has of it from there. */
interface OverOld extends Content {
  openOver(olds: OldVersions): ReturnType<PatchedContent['openOver']>
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
