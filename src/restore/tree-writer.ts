import { PART_BYTES } from '../constants.js'
import { BackupError, isBackupError } from '../errors.js'
import { abortable, untilAbort } from '../flow/abortable.js'
import { type OpenFile, Operation, openFile, type Unset } from '../native.js'
import { encodePath, joinPath, parentPath, printPath, ROOT_PATH } from '../path.js'
import { closeFile } from '../source/disk.js'
import type { Content } from '../types.js'
import { digestOf, type Existing, inodeOf } from './existing.js'
import { type LargeFile, writeLargeFile } from './large-file.js'
import { OpenDirectories, type OpenDirectoriesOptions, type OpenDirectory, type Place } from './open-directories.js'
import { OperationQueue } from './operation-queue.js'
import type { PathOperation } from './operations.js'
import { PatchedContent } from './patched.js'
import { isWithheld, type Restorable, Restoration, restoredMetadata } from './restored.js'
import type { OldVersion } from './reuse.js'
import { hasMetadata, isSameThing } from './same.js'
import { temporaryName } from './temporary-name.js'
import { WrittenLinks } from './written-links.js'

export interface TreeWriterOptions extends OpenDirectoriesOptions {
  /** The root as it is, if it may hold something. */
  readonly existing: Existing | undefined
  /** Whether an error of a content costs its entry alone. */
  readonly costsEntry: (error: BackupError) => boolean
}

const NEW_DIRECTORY = { mode: 0o700 }

/**
 * Fills a directory with entries that come in path order, each after its directory. Anything in it that is right already
 * is left in place. Nothing that is there is written into, except for its metadata. The tally learns what became of each
 * entry when it is known.
 */
export class TreeWriter {
  readonly #directories: OpenDirectories
  readonly #links = new WrittenLinks()
  /** Devices whose files cannot share blocks. */
  readonly #unable = new Set<bigint>()
  readonly #queue: OperationQueue

  constructor(
    readonly root: number,
    readonly options: TreeWriterOptions
  ) {
    const { existing, owners, signal } = options
    const queueOptions = { isNew: existing === undefined, setsOwner: owners !== 'none', observer: this, signal }
    this.#queue = new OperationQueue(root, queueOptions)
    this.#directories = new OpenDirectories(this.#queue, options, directory => this.#makeSymlinks(directory))
  }

  async directory(entry: Restorable): Promise<void> {
    const { existing, overwrite } = this.options
    const directories = this.#directories
    if (entry.path === ROOT_PATH && directories.isEmpty) return this.#openRoot(entry, existing)
    const place = await directories.arrive(entry)
    if (place === undefined) return
    const { restoration, there } = place
    if (there?.type === 'directory') return directories.openExisting(restoration, there)
    if (there !== undefined && overwrite === 'never') {
      const message = `${printPath(entry.path)} exists and is not a directory`
      directories.openClosed(restoration, new BackupError('IBT_WRITE_FAILED', message))
      return
    }
    const operation = { code: Operation.makeDirectory, path: entry.path, metadata: NEW_DIRECTORY }
    await this.#replace(place, operation)
    // If what is in its place has to stay, nothing can be put into it.
    if (there !== undefined) await this.#queue.flush()
    if (restoration.status === 'failed') directories.openFailed(restoration)
    else directories.openNew(restoration)
  }

  /** A symlink is made when its directory is left: nothing is ever written through one. */
  async symlink(entry: Restorable): Promise<void> {
    const place = await this.#directories.arrive(entry)
    if (place !== undefined && !(await this.#leaveInPlace(place))) place.directory.symlinks.push(place)
  }

  /** A FIFO or a device. */
  async node(entry: Restorable, code: PathOperation['code']): Promise<void> {
    const place = await this.#directories.arrive(entry)
    if (place === undefined || (await this.#leaveInPlace(place))) return
    await this.#make(place, { code, path: entry.path, metadata: this.#metadata(entry) })
  }

  async file(entry: Restorable): Promise<void> {
    const place = this.#directories.here(entry) ?? (await this.#directories.arrive(entry))
    if (place === undefined) return
    if (place.there !== undefined && (await this.#leaveInPlace(place))) return
    if (entry.link !== undefined && (await this.#link(place))) return
    try {
      await this.#writeFile(place)
    } catch (error) {
      if (this.options.signal?.aborted || !isBackupError(error) || !this.options.costsEntry(error)) throw error
      this.#links.lose(entry.link)
      this.options.tally.failed(place.restoration, error)
    }
  }

  /** For an entry that cannot be restored: something that is there in its place is not deleted. */
  async pass(entry: Restorable): Promise<void> {
    if (entry.path !== ROOT_PATH) await this.#directories.arrive(entry)
  }

  async end(): Promise<void> {
    await this.#directories.end()
    await this.#queue.flush()
  }

  /** After an error: waits until nothing is written any more. */
  async leave(): Promise<void> {
    await this.#queue.idle()
  }

  onDone({ restoration, completes, deletes }: PathOperation): void {
    if (restoration !== undefined && completes) this.options.tally.there(restoration)
    if (deletes) this.options.tally.deleted()
  }

  onUnset({ restoration, code }: PathOperation, unset: readonly Unset[]): void {
    // A new directory gets its metadata when it is left.
    if (restoration !== undefined && code !== Operation.makeDirectory) this.options.tally.incomplete(restoration, unset)
  }

  onSpared(operation: PathOperation): void {
    const { restoration, path } = operation
    this.options.tally.spared(restoration?.entry.path ?? path)
    if (restoration === undefined) return
    this.#links.lose(operation.link)
    this.options.tally.failed(restoration, refusal(restoration.entry, 'is at or behind a mount point'))
  }

  onFailed({ code, path, restoration, deletes, link }: PathOperation, error: BackupError): void {
    const { tally } = this.options
    this.#links.lose(link)
    const { code: errno } = error.cause as { code?: string }
    if (code === Operation.removeOne && errno === 'ENOTEMPTY') tally.spared(path)
    if (restoration !== undefined) tally.failed(restoration, error)
    else if (deletes) tally.skipped(error)
  }

  async #openRoot(entry: Restorable, existing: Existing | undefined): Promise<void> {
    const restoration = new Restoration(entry)
    if (existing !== undefined) return this.#directories.openExisting(restoration, existing)
    this.#directories.openNew(restoration)
    this.options.tally.there(restoration)
  }

  async #makeSymlinks({ symlinks }: OpenDirectory): Promise<void> {
    for (const place of symlinks) {
      const { entry } = place.restoration
      const { path, linkname: other } = entry
      await this.#make(place, { code: Operation.makeSymlink, path, other, metadata: this.#metadata(entry) })
    }
  }

  /** Whether something that is in the entry's place may stay there, with its metadata made right. */
  async #leaveInPlace(place: Place): Promise<boolean> {
    const { restoration, directory, there } = place
    const { entry } = restoration
    if (there === undefined) return false
    if (this.options.overwrite === 'never') return this.#isUnchanged(restoration)
    const first = this.#links.first(entry)
    if (first !== undefined) return inodeOf(there) === first.inode && this.#isUnchanged(restoration)
    if (!isSameThing(entry, there) || !this.#links.mayStay(entry, there)) return false
    if (entry.type === 'file' && !(await this.#hasContent(entry, there))) return false
    this.#links.add(entry, there)
    const metadata = this.#metadata(entry)
    const { owners, tally } = this.options
    if (directory.isProtected || hasMetadata(entry, there, owners)) {
      if (isWithheld(entry, metadata, there, owners)) tally.unprivileged(restoration)
      return this.#isUnchanged(restoration)
    }
    const { path } = entry
    await this.#queue.add({ code: Operation.setMetadata, path, metadata, restoration, completes: true })
    return true
  }

  #isUnchanged(restoration: Restoration): true {
    restoration.isUnchanged = true
    this.options.tally.there(restoration)
    return true
  }

  /** For files of one size. Hashing the file that is there costs less than reading the archives. */
  async #hasContent(entry: Restorable, there: Existing): Promise<boolean> {
    const { overwrite, signal } = this.options
    const isProvenByTime = overwrite === 'if-changed' && !entry.dirty && !entry.racy
    if (isProvenByTime && entry.mtimeNs === there.mtimeNs) return true
    if (entry.sha256 === undefined) return false
    try {
      return (await digestOf(this.root, there, signal)) === entry.sha256
    } catch (error) {
      if (signal?.aborted) throw error
      return false
    }
  }

  async #make(place: Place, operation: PathOperation): Promise<void> {
    if (await this.#link(place)) return
    const { entry } = place.restoration
    this.#links.add(entry)
    await this.#replace(place, { ...operation, link: entry.link })
  }

  /** Links the entry to the first member of its group, if that is there. */
  async #link(place: Place): Promise<boolean> {
    const { entry } = place.restoration
    let first = this.#links.first(entry)
    if (first !== undefined && this.options.overwrite !== undefined && !first.isProven) {
      // If it could not be made, something else has its name.
      await this.#queue.flush()
      first = this.#links.first(entry)
      if (first !== undefined) first.isProven = true
    }
    if (first === undefined) return false
    await this.#replace(place, { code: Operation.makeLink, path: entry.path, other: first.path })
    return true
  }

  async #writeFile(place: Place): Promise<void> {
    const { restoration, directory, there } = place
    const { entry } = restoration
    if (this.#isRefused(place)) return
    this.#links.add(entry)
    if (!directory.isChanged) await this.#directories.change(directory)
    // To make the content, `patch` may spool in the root.
    if (!this.#directories.root.isChanged) await this.#directories.change(this.#directories.root)
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
    if (isInTheWay) await this.#clear(place)
    const code = entry.sparse ? Operation.writeSparseFile : Operation.writeFile
    const other = there === undefined || isInTheWay ? undefined : await temporaryName()
    const { path, link } = entry
    const metadata = this.#metadata(entry)
    restoration.sizeBytes = body.length
    await this.#queue.add({ code, path, other, metadata, link, proof, restoration, completes: true }, body)
  }

  /** The bytes of a large file are proven only when all are written: it gets its name then. */
  async #writeLarge(place: Place, chunks: () => AsyncIterable<Uint8Array>): Promise<void> {
    const { restoration, there } = place
    const { path, link, sparse = false } = restoration.entry
    const { signal } = this.options
    await this.#queue.flush()
    const temporary = joinPath(parentPath(path), await temporaryName())
    try {
      const written =
        (await this.#writeOver(place, temporary)) ??
        (await writeLargeFile(this.root, temporary, chunks, { sparse, signal, unable: this.#unable }))
      restoration.sizeBytes = written.sizeBytes
      restoration.sharedBytes = written.sharedBytes
      if (there?.type === 'directory') await this.#clear(place)
      const metadata = this.#metadata(restoration.entry)
      await this.#queue.add({ code: Operation.setMetadata, path: temporary, metadata, restoration })
      const rename = { code: Operation.rename, path: temporary, other: path, link }
      await this.#queue.add({ ...rename, restoration, completes: true })
      // It is still there if the rename has failed.
      await this.#queue.add({ code: Operation.unlink, path: temporary })
      await this.#queue.flush()
    } catch (error) {
      await this.#queue.discard(temporary)
      if (!isBackupError(error) || error.path !== temporary || !(error.cause instanceof Error)) throw error
      this.#queue.fail({ code: Operation.writeFile, path, link, restoration }, error.cause)
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
      await this.#queue.discard(temporary)
      return undefined
    } finally {
      if (old !== undefined) await closeFile(old.fd)
    }
  }

  /** Makes something where something else may be. */
  async #replace(place: Place, operation: PathOperation): Promise<void> {
    if (this.#isRefused(place)) return
    const { restoration, directory, there } = place
    await this.#directories.change(directory)
    if (there !== undefined) await this.#clear(place)
    await this.#queue.add({ ...operation, restoration, completes: true })
  }

  /** Reports the entry if a store, a cache, or something that leads to one is in its place. */
  #isRefused(place: Place): boolean {
    if (!this.#directories.isProtected(place)) return false
    const { restoration } = place
    const { tally } = this.options
    tally.spared(restoration.entry.path)
    tally.failed(restoration, refusal(restoration.entry, 'is a store or a cache of backups, is in one or leads to one'))
    return true
  }

  /** Removes what is in the way. A directory that is not empty is removed only if it may be deleted. */
  async #clear({ restoration, there }: Place): Promise<void> {
    const { path } = restoration.entry
    const isDeleted = there?.type === 'directory' && this.options.deletes(path, 'directory')
    await this.#queue.add({ code: isDeleted ? Operation.remove : Operation.removeOne, path, restoration })
  }

  #metadata(entry: Restorable) {
    return restoredMetadata(entry, this.options.owners)
  }
}

/** A content that takes what an old version of its file has of it from there. */
interface OverOld extends Content {
  openOver(old: OldVersion): ReturnType<PatchedContent['openOver']>
}

function isOverOld(content: Content | undefined): content is OverOld {
  return content !== undefined && 'openOver' in content
}

function refusal({ path }: Restorable, why: string): BackupError {
  const message = `Cannot write ${printPath(path)}: the thing in its place ${why}`
  return new BackupError('IBT_WRITE_FAILED', message, { path })
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
