import { randomBytes } from 'node:crypto'
import { abortable } from '../abortable.js'
import { PART_BYTES } from '../constants.js'
import { BackupError, isBackupError } from '../errors.js'
import { groupId, Operation, userId } from '../native.js'
import { checkPath, isBelow, joinPath, parentPath, printPath, ROOT_PATH } from '../path.js'
import type { Entry, StateEntry } from '../types.js'
import { digestOf, type Existing, ExistingDirectory } from './existing.js'
import { writeLargeFile } from './large-file.js'
import { OperationQueue } from './operation-queue.js'
import type { PathOperation } from './operations.js'
import { hasMetadata, isSameThing } from './same.js'
import { inodeOf, WrittenLinks } from './written-links.js'

/** An entry with what a state says of it. */
export type Restorable = Entry & Pick<StateEntry, 'sha256' | 'dirty' | 'racy' | 'carried'>

export interface TreeWriterOptions {
  readonly owners: 'name' | 'number' | 'none'
  /** What becomes of what is there. Undefined: nothing is there. */
  readonly overwrite: 'always' | 'if-changed' | 'never' | undefined
  /** The root as it is, if it may hold something. */
  readonly existing: Existing | undefined
  /** Whether something that is there and not among the entries is removed. */
  readonly deletes: (path: string, type: Entry['type']) => boolean
  readonly onError: (error: BackupError) => void
  readonly signal: AbortSignal | undefined
}

/** What became of an entry. */
export interface Outcome {
  readonly isUnchanged: boolean
  /** Of content that was written. */
  readonly sizeBytes: number
}

const UNCHANGED: Outcome = { isUnchanged: true, sizeBytes: 0 }
const WRITTEN: Outcome = { isUnchanged: false, sizeBytes: 0 }
const NO_XATTRS = new Map<string, Uint8Array>()
const OWNER_ALL = 0o700

/** A directory that is being filled: its links are made, and its metadata set, when it is left. */
interface OpenDirectory {
  readonly entry: Restorable
  /** What it was before, and what is in it; undefined if it was made just now. */
  readonly there: Existing | undefined
  readonly listing: ExistingDirectory | undefined
  /** It could not be made or listed: nothing in it can be restored. */
  readonly isClosed: boolean
  /** Something in it has changed, and with that its time. */
  isChanged: boolean
  readonly symlinks: Place[]
}

/** Where an entry goes. */
interface Place {
  readonly entry: Restorable
  readonly directory: OpenDirectory
  readonly there: Existing | undefined
}

/**
 * Fills a directory with entries that come in path order, each after its directory. What is there and right stays as it
 * is; nothing that is there is written into, but for metadata.
 */
export class TreeWriter {
  readonly #open: OpenDirectory[] = []
  readonly #links = new WrittenLinks()
  readonly #queue: OperationQueue
  deletedEntries = 0

  constructor(
    readonly root: Uint8Array,
    readonly options: TreeWriterOptions
  ) {
    const onFailure = ({ link }: PathOperation, error: BackupError) => {
      this.#links.lose(link)
      options.onError(error)
    }
    this.#queue = new OperationQueue(root, { onFailure, signal: options.signal })
  }

  /** Undefined if nothing in it can be restored. */
  async directory(entry: Restorable): Promise<Outcome | undefined> {
    const { existing, overwrite } = this.options
    if (entry.path === ROOT_PATH && this.#open.length === 0) return this.#openDirectory(entry, existing)
    const place = await this.#arrive(entry)
    if (place === undefined) return undefined
    const { there, directory } = place
    if (there?.type === 'directory') return this.#openDirectory(entry, there)
    if (there === undefined || overwrite !== 'never') {
      await this.#replace(directory, there, { code: Operation.makeDirectory, path: entry.path, mode: OWNER_ALL })
      return this.#openDirectory(entry, undefined)
    }
    this.#openClosed(entry, new BackupError('IBT_WRITE_FAILED', `${printPath(entry.path)} is there and no directory`))
    return undefined
  }

  /** A symlink is made when its directory is left: nothing is ever written through one. */
  async symlink(entry: Restorable): Promise<Outcome | undefined> {
    const place = await this.#arrive(entry)
    if (place === undefined) return undefined
    const kept = await this.#keep(place)
    if (kept === undefined) place.directory.symlinks.push(place)
    return kept ?? WRITTEN
  }

  /** A FIFO or a device. */
  async node(entry: Restorable, code: PathOperation['code']): Promise<Outcome | undefined> {
    const place = await this.#arrive(entry)
    return place && ((await this.#keep(place)) ?? this.#make(place, { code, ...this.#metadata(entry) }))
  }

  async file(entry: Restorable): Promise<Outcome | undefined> {
    const place = await this.#arrive(entry)
    if (place === undefined) return undefined
    return (await this.#keep(place)) ?? (await this.#link(place)) ?? this.#writeFile(place)
  }

  /** What cannot be restored: what is there in its place is not deleted. */
  async pass(entry: Restorable): Promise<void> {
    if (entry.path !== ROOT_PATH) await this.#arrive(entry)
  }

  async end(): Promise<void> {
    while (this.#open.length > 0) await this.#leave()
    await this.#queue.flush()
  }

  /** Leaves the directories that the entry is not in. Its parent has to be open: an entry of the same backup. */
  async #arrive(entry: Restorable): Promise<Place | undefined> {
    const { path } = entry
    checkPath(path)
    while (this.#open.length > 0 && !isBelow(path, this.#open.at(-1)!.entry.path)) await this.#leave()
    const directory = this.#open.at(-1)
    if (directory?.entry.path !== parentPath(path) || path === ROOT_PATH) {
      throw new BackupError('IBT_UNSAFE_PATH', `${printPath(path)} is not in a directory of this backup`, { path })
    }
    if (!directory.isClosed) return { entry, directory, there: directory.listing?.find(baseName(path)) }
    const message = `Cannot write ${printPath(path)}: its directory is not restored`
    this.options.onError(new BackupError('IBT_WRITE_FAILED', message, { path }))
    return undefined
  }

  async #openDirectory(entry: Restorable, there: Existing | undefined): Promise<Outcome | undefined> {
    if (there === undefined) {
      this.#open.push({ entry, there, listing: undefined, isClosed: false, isChanged: true, symlinks: [] })
      return WRITTEN
    }
    const isUnlocked = await this.#unlock(there, 0o500)
    if (isUnlocked) await this.#queue.flush()
    const listing = await this.#list(entry.path)
    if (isBackupError(listing)) {
      this.#openClosed(entry, listing)
      return undefined
    }
    const known = entry.path === ROOT_PATH ? { ...there, xattrs: listing.listing.ownXattrs } : there
    this.#open.push({ entry, there: known, listing, isClosed: false, isChanged: isUnlocked, symlinks: [] })
    const isUnchanged = this.options.overwrite === 'never' || hasMetadata(known, this.#metadata(entry))
    return isUnchanged ? UNCHANGED : WRITTEN
  }

  /** Nothing in it can be restored, and nothing in it is touched. */
  #openClosed(entry: Restorable, error: BackupError): void {
    const { path } = entry
    this.#open.push({ entry, there: undefined, listing: undefined, isClosed: true, isChanged: false, symlinks: [] })
    this.options.onError(new BackupError(error.code, error.message, { path, cause: error.cause }))
  }

  async #list(path: string): Promise<ExistingDirectory | BackupError> {
    const { signal } = this.options
    try {
      return await ExistingDirectory.list(this.root, path, signal)
    } catch (error) {
      if (signal?.aborted || !isBackupError(error)) throw error
      return error
    }
  }

  async #leave(): Promise<void> {
    const directory = this.#open.pop()!
    if (directory.isClosed) return
    for (const place of directory.symlinks) {
      const { entry } = place
      await this.#make(place, { code: Operation.makeSymlink, other: entry.linkname, ...this.#metadata(entry) })
    }
    await this.#delete(directory)
    const { entry, there, isChanged } = directory
    if (there !== undefined && this.options.overwrite === 'never') {
      const { path, mode, mtimeNs } = there
      if (isChanged) await this.#queue.add({ code: Operation.setMetadata, path, mode, mtimeNs })
      return
    }
    const metadata = this.#metadata(entry)
    if (!isChanged && there !== undefined && hasMetadata(there, metadata)) return
    await this.#queue.add({ code: Operation.setMetadata, ...metadata })
  }

  /** Removes what a killed restore has left, and what the backup does not have; where that could not look, nothing. */
  async #delete(directory: OpenDirectory): Promise<void> {
    if (directory.listing === undefined || directory.entry.carried) return
    for (const { path, type } of directory.listing.others()) {
      const isLeftover = type === 'file' && TEMPORARY.test(baseName(path))
      if (!isLeftover && !this.options.deletes(path, type)) continue
      await this.#change(directory)
      await this.#queue.add({ code: Operation.remove, path })
      if (!isLeftover) this.deletedEntries++
    }
  }

  /** Leaves what is there in the entry's place, if it may stay. */
  async #keep({ entry, there }: Place): Promise<Outcome | undefined> {
    if (there === undefined) return undefined
    const first = this.#links.first(entry)
    if (this.options.overwrite === 'never') return UNCHANGED
    if (first !== undefined) return inodeOf(there) === first.inode ? UNCHANGED : undefined
    if (!isSameThing(entry, there) || !this.#links.maySettle(entry, there)) return undefined
    if (entry.type === 'file' && !(await this.#hasContent(entry, there))) return undefined
    this.#links.add(entry, there)
    const metadata = this.#metadata(entry)
    if (hasMetadata(there, metadata)) return UNCHANGED
    await this.#queue.add({ code: Operation.setMetadata, ...metadata })
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
    const { entry, directory, there } = place
    this.#links.add(entry)
    await this.#replace(directory, there, { ...operation, link: entry.link })
    return WRITTEN
  }

  /** Links the entry to the first member of its group, if that is there. */
  async #link({ entry, directory, there }: Place): Promise<Outcome | undefined> {
    let first = this.#links.first(entry)
    if (first === undefined) return undefined
    if (this.options.overwrite !== undefined && !first.isProven) {
      // If it could not be made, what has its name is something else.
      await this.#queue.flush()
      first = this.#links.first(entry)
      if (first === undefined) return undefined
      first.isProven = true
    }
    await this.#replace(directory, there, { code: Operation.makeLink, path: entry.path, other: first.path })
    return WRITTEN
  }

  async #writeFile(place: Place): Promise<Outcome | undefined> {
    const { entry, directory, there } = place
    this.#links.add(entry)
    await this.#change(directory)
    // To make the content, `patch` may spool in the root.
    await this.#change(this.#open[0]!)
    const chunks = abortable(entry.content?.open() ?? [], this.options.signal)
    if ((entry.sizeBytes ?? Infinity) > PART_BYTES) return this.#writeLarge(place, chunks)
    const held: Uint8Array[] = []
    for await (const chunk of chunks) held.push(chunk)
    const body = held.length === 1 ? held[0]! : Buffer.concat(held)
    const isInTheWay = there?.type === 'directory'
    if (isInTheWay) await this.#queue.add({ code: Operation.remove, path: entry.path })
    const code = entry.sparse ? Operation.writeSparseFile : Operation.writeFile
    const other = there === undefined || isInTheWay ? undefined : temporaryName()
    await this.#queue.add({ code, body, other, link: entry.link, ...this.#metadata(entry) })
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
      const metadata = { ...this.#metadata(entry), path: temporary, entryPath: path }
      await this.#queue.add({ code: Operation.setMetadata, ...metadata })
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
  async #replace(directory: OpenDirectory, there: Existing | undefined, operation: PathOperation): Promise<void> {
    await this.#change(directory)
    if (there !== undefined) await this.#queue.add({ code: Operation.remove, path: operation.path })
    await this.#queue.add(operation)
  }

  async #change(directory: OpenDirectory): Promise<void> {
    if (directory.isChanged) return
    directory.isChanged = true
    await this.#unlock(directory.there, OWNER_ALL)
  }

  /** Lets the user into a directory of the user's own that forbids it, until its metadata are set. */
  async #unlock(there: Existing | undefined, needed: number): Promise<boolean> {
    if (there === undefined || process.geteuid?.() === 0 || (there.mode & needed) === needed) return false
    await this.#queue.add({ code: Operation.setMetadata, path: there.path, mode: there.mode | OWNER_ALL })
    return true
  }

  #metadata({ path, type, mode: bits, uid, gid, uname, gname, mtimeNs, xattrs = NO_XATTRS, ...rest }: Restorable) {
    const { owners } = this.options
    const mode = type === 'symlink' ? undefined : bits
    const { devMajor, devMinor } = rest
    const metadata = { path, mode, mtimeNs, xattrs, devMajor, devMinor }
    if (owners === 'none') return metadata
    const byName = owners === 'name'
    return {
      ...metadata,
      uid: (byName && uname !== undefined ? userId(uname) : undefined) ?? uid,
      gid: (byName && gname !== undefined ? groupId(gname) : undefined) ?? gid
    }
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

const TEMPORARY = /^\.ibt-[0-9a-f]{16}\.tmp$/

function temporaryName(): string {
  return `.ibt-${randomBytes(8).toString('hex')}.tmp`
}
