import { PART_BYTES } from '../constants.js'
import { BackupError, isBackupError } from '../errors.js'
import { abortable, untilAbort } from '../flow/abortable.js'
import { Operation } from '../native.js'
import { joinPath, parentPath, printPath, ROOT_PATH } from '../path.js'
import { digestOf, type Existing } from './existing.js'
import { writeLargeFile } from './large-file.js'
import { OpenDirectories, type OpenDirectoriesOptions, type OpenDirectory, type Place } from './open-directories.js'
import { OperationQueue } from './operation-queue.js'
import type { PathOperation } from './operations.js'
import { PatchedContent } from './patched.js'
import { type Outcome, type Restorable, restoredMetadata, UNCHANGED, WRITTEN } from './restored.js'
import { hasMetadata, isSameThing } from './same.js'
import { temporaryName } from './temporary-name.js'
import { inodeOf, WrittenLinks } from './written-links.js'

export interface TreeWriterOptions extends OpenDirectoriesOptions {
  /** The root as it is, if it may hold something. */
  readonly existing: Existing | undefined
}

const NEW_DIRECTORY = { mode: 0o700 }

/**
 * Fills a directory with entries that come in path order, each after its directory. What is there and right stays as it
 * is; nothing that is there is written into, but for metadata. A call yields undefined for what could not be restored.
 */
export class TreeWriter {
  readonly #directories: OpenDirectories
  readonly #links = new WrittenLinks()
  readonly #queue: OperationQueue

  constructor(
    readonly root: Uint8Array,
    readonly options: TreeWriterOptions
  ) {
    const onFailure = ({ link }: PathOperation, error: BackupError) => {
      this.#links.lose(link)
      options.onError(error)
    }
    this.#queue = new OperationQueue(root, { isNew: options.existing === undefined, onFailure, signal: options.signal })
    this.#directories = new OpenDirectories(this.#queue, options, directory => this.#makeSymlinks(directory))
  }

  get deletedEntries(): number {
    return this.#directories.deletedEntries
  }

  async directory(entry: Restorable): Promise<Outcome | undefined> {
    const { existing, overwrite } = this.options
    if (entry.path === ROOT_PATH && this.#directories.isEmpty) return this.#directories.open(entry, existing)
    const place = await this.#directories.arrive(entry)
    if (place === undefined) return undefined
    if (place.there?.type === 'directory') return this.#directories.open(entry, place.there)
    if (place.there !== undefined && overwrite === 'never') {
      const message = `${printPath(entry.path)} is there and no directory`
      this.#directories.openClosed(entry, new BackupError('IBT_WRITE_FAILED', message))
      return undefined
    }
    await this.#replace(place, { code: Operation.makeDirectory, path: entry.path, metadata: NEW_DIRECTORY })
    return this.#directories.open(entry, undefined)
  }

  /** A symlink is made when its directory is left: nothing is ever written through one. */
  async symlink(entry: Restorable): Promise<Outcome | undefined> {
    const place = await this.#directories.arrive(entry)
    if (place === undefined) return undefined
    const kept = await this.#keep(place)
    if (kept === undefined) place.directory.symlinks.push(place)
    return kept ?? WRITTEN
  }

  /** A FIFO or a device. */
  async node(entry: Restorable, code: PathOperation['code']): Promise<Outcome | undefined> {
    const place = await this.#directories.arrive(entry)
    return (
      place &&
      ((await this.#keep(place)) ?? this.#make(place, { code, path: entry.path, metadata: this.#metadata(entry) }))
    )
  }

  async file(entry: Restorable): Promise<Outcome | undefined> {
    const place = this.#directories.here(entry) ?? (await this.#directories.arrive(entry))
    if (place === undefined) return undefined
    const kept = place.there && (await this.#keep(place))
    const linked = kept === undefined && entry.link !== undefined ? await this.#link(place) : undefined
    return kept ?? linked ?? this.#writeFile(place)
  }

  /** What cannot be restored: what is there in its place is not deleted. */
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

  async #makeSymlinks({ symlinks }: OpenDirectory): Promise<void> {
    for (const place of symlinks) {
      const { path, linkname: other } = place.entry
      await this.#make(place, { code: Operation.makeSymlink, path, other, metadata: this.#metadata(place.entry) })
    }
  }

  /** Leaves what is there in the entry's place, if it may stay. */
  async #keep({ entry, there }: Place): Promise<Outcome | undefined> {
    if (there === undefined) return undefined
    if (this.options.overwrite === 'never') return UNCHANGED
    const first = this.#links.first(entry)
    if (first !== undefined) return inodeOf(there) === first.inode ? UNCHANGED : undefined
    if (!isSameThing(entry, there) || !this.#links.maySettle(entry, there)) return undefined
    if (entry.type === 'file' && !(await this.#hasContent(entry, there))) return undefined
    this.#links.add(entry, there)
    const metadata = this.#metadata(entry)
    if (hasMetadata(there, metadata)) return UNCHANGED
    await this.#queue.add({ code: Operation.setMetadata, path: entry.path, metadata })
    return WRITTEN
  }

  /** Of files of one size. The digest of what is there is cheaper than what the archives have. */
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

  async #make(place: Place, operation: PathOperation): Promise<Outcome> {
    const linked = await this.#link(place)
    if (linked !== undefined) return linked
    const { entry } = place
    this.#links.add(entry)
    await this.#replace(place, { ...operation, link: entry.link })
    return WRITTEN
  }

  /** Links the entry to the first member of its group, if that is there. */
  async #link(place: Place): Promise<Outcome | undefined> {
    const { entry } = place
    let first = this.#links.first(entry)
    if (first !== undefined && this.options.overwrite !== undefined && !first.isProven) {
      // If it could not be made, what has its name is something else.
      await this.#queue.flush()
      first = this.#links.first(entry)
      if (first !== undefined) first.isProven = true
    }
    if (first === undefined) return undefined
    await this.#replace(place, { code: Operation.makeLink, path: entry.path, other: first.path })
    return WRITTEN
  }

  async #writeFile(place: Place): Promise<Outcome | undefined> {
    const { entry, directory, there } = place
    this.#links.add(entry)
    if (!directory.isChanged) await this.#directories.change(directory)
    // To make the content, `patch` may spool in the root.
    if (!this.#directories.root.isChanged) await this.#directories.change(this.#directories.root)
    const { content, sizeBytes = Infinity } = entry
    const { signal } = this.options
    const chunks = () => abortable(content?.open() ?? [], signal)
    if (sizeBytes > PART_BYTES) return this.#writeLarge(place, chunks())
    const read = () => (content?.read === undefined ? hold(entry, chunks()) : untilAbort(content.read(), signal))
    const unproven = content instanceof PatchedContent ? content.unproven : undefined
    const stored = unproven?.body
    const body = stored?.held() ?? (await (stored ? hold(entry, abortable(stored.open(), signal)) : read()))
    const proof = unproven && { sha256: unproven.sha256, again: read }
    const isInTheWay = there?.type === 'directory'
    if (isInTheWay) await this.#queue.add({ code: Operation.remove, path: entry.path })
    const code = entry.sparse ? Operation.writeSparseFile : Operation.writeFile
    const other = there === undefined || isInTheWay ? undefined : temporaryName()
    const { path, link } = entry
    await this.#queue.add({ code, path, other, metadata: this.#metadata(entry), link, proof }, body)
    return { isUnchanged: false, sizeBytes: body.length }
  }

  /** A file whose bytes are proven by their end: it gets its name then. */
  async #writeLarge({ entry, there }: Place, chunks: AsyncIterable<Uint8Array>): Promise<Outcome | undefined> {
    const { path, link, sparse = false } = entry
    const { signal } = this.options
    await this.#queue.flush()
    const temporary = joinPath(parentPath(path), temporaryName())
    try {
      const sizeBytes = await writeLargeFile(this.root, temporary, chunks, { sparse, signal })
      if (there?.type === 'directory') await this.#queue.add({ code: Operation.remove, path })
      const metadata = this.#metadata(entry)
      await this.#queue.add({ code: Operation.setMetadata, path: temporary, metadata, entryPath: path })
      await this.#queue.add({ code: Operation.rename, path: temporary, other: path, entryPath: path, link })
      // It is still there if that has failed.
      await this.#queue.add({ code: Operation.remove, path: temporary, entryPath: path })
      await this.#queue.flush()
      return { isUnchanged: false, sizeBytes }
    } catch (error) {
      await this.#queue.discard(temporary)
      if (!isBackupError(error) || error.path !== temporary || !(error.cause instanceof Error)) throw error
      this.#queue.fail({ code: Operation.writeFile, path, link }, error.cause)
      return undefined
    }
  }

  /** Makes something where something else may be. */
  async #replace({ directory, there }: Place, operation: PathOperation): Promise<void> {
    await this.#directories.change(directory)
    if (there !== undefined) await this.#queue.add({ code: Operation.remove, path: operation.path })
    await this.#queue.add(operation)
  }

  #metadata(entry: Restorable) {
    return restoredMetadata(entry, this.options.owners)
  }
}

/** All of a content that says it is small. @throws BackupError IBT_FILE_CHANGED if it is not */
async function hold({ path }: Restorable, chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const held: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of chunks) {
    held.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes <= PART_BYTES) continue
    throw new BackupError('IBT_FILE_CHANGED', `${printPath(path)} has more bytes than it says`, { path })
  }
  return held.length === 1 ? held[0]! : Buffer.concat(held)
}
