import { BackupError, isBackupError } from '../errors.js'
import { isLeftBehind } from '../native/temporary-name.js'
import { Operation } from '../native.js'
import { baseName, checkPath, isBelow, parentPath, printPath, ROOT_PATH } from '../path.js'
import type { Entry, EntryType } from '../types.js'
import type { Deletions } from './deletions.js'
import { type Existing, ExistingDirectory } from './existing.js'
import type { OperationQueue } from './operation-queue.js'
import type { ProtectedPlaces } from './protected-places.js'
import { type Owners, type Restorable, Restoration, restoredMetadata } from './restored.js'
import { hasMetadata } from './same.js'
import type { Tally } from './tally.js'

export interface OpenDirectoriesOptions {
  readonly owners: Owners
  /** What becomes of things that are in the destination already. Undefined: nothing is there. */
  readonly overwrite: 'always' | 'if-changed' | 'never' | undefined
  /** Whether something that is there and that the backup does not have is deleted, with everything below it. */
  readonly deletes: MayDelete
  /** What is deleted waits here for somebody who confirms it. Undefined: nobody does. */
  readonly deletions: Deletions | undefined
  /** Whether a directory only leads to other entries: it stays as it is, and nothing in it is deleted. */
  readonly isLeading: (directory: Entry) => boolean
  /** Stores and caches of backups. */
  readonly places: ProtectedPlaces
  readonly tally: Tally
  readonly signal: AbortSignal | undefined
}

/** Whether something may be deleted; `spare`: it stays, and is reported. */
export type MayDelete = (path: string, type: EntryType) => boolean | 'spare' | Promise<boolean | 'spare'>

/** A directory that is being filled. When it is left, its symlinks are made and its metadata set. */
export interface OpenDirectory {
  readonly restoration: Restoration
  /** What it was before, and what is in it. Undefined if it was made just now. */
  readonly there: Existing | undefined
  readonly listing: ExistingDirectory | undefined
  /** It could not be made or listed: nothing in it can be restored. */
  readonly isClosed: boolean
  /** It is a store or a cache, or in one: what is there stays as it is. */
  readonly isProtected: boolean
  /** Something in it has changed, and therefore its time. */
  isChanged: boolean
  readonly symlinks: Place[]
}

/** Where an entry goes. */
export interface Place {
  readonly restoration: Restoration
  readonly directory: OpenDirectory
  readonly there: Existing | undefined
}

const OWNER_ALL = 0o700
const OWNER_LIST = 0o500

/**
 * The directories on the way to the entry that is being restored. Memory: their symlinks, and their listings if they were
 * there before.
 */
export class OpenDirectories {
  readonly #open: OpenDirectory[] = []

  constructor(
    readonly queue: OperationQueue,
    readonly options: OpenDirectoriesOptions,
    /** Makes the symlinks of a directory. */
    readonly onLeave: (directory: OpenDirectory) => Promise<void>
  ) {}

  get isEmpty(): boolean {
    return this.#open.length === 0
  }

  get root(): OpenDirectory {
    return this.#open[0]!
  }

  /** The place of an entry if its directory is the innermost one and was made in this run. Then nothing has to be left. */
  here(entry: Restorable): Place | undefined {
    const { path } = entry
    const directory = this.#open.at(-1)
    if (directory === undefined || directory.there !== undefined || directory.isClosed) return undefined
    const parent = directory.restoration.entry.path
    const nameAt = parent === ROOT_PATH ? 0 : parent.length + 1
    if (path.indexOf('/', nameAt) >= 0 || (nameAt > 0 && !isBelow(path, parent))) return undefined
    checkPath(path)
    return path === ROOT_PATH ? undefined : { restoration: new Restoration(entry), directory, there: undefined }
  }

  /**
   * Leaves the directories that the entry is not in. Its parent must be open: an entry of the same backup.
   * Reports the entry and returns undefined if nothing can be restored there.
   */
  async arrive(entry: Restorable): Promise<Place | undefined> {
    const { path } = entry
    checkPath(path)
    while (this.#open.length > 0 && !isBelow(path, this.#open.at(-1)!.restoration.entry.path)) await this.#leave()
    const directory = this.#open.at(-1)
    if (directory?.restoration.entry.path !== parentPath(path) || path === ROOT_PATH) {
      throw new BackupError('IBT_UNSAFE_PATH', `${printPath(path)} is not in a directory of this backup`, { path })
    }
    const there = directory.isClosed ? undefined : directory.listing?.find(baseName(path))
    const restoration = new Restoration(entry, there)
    if (there !== undefined) this.options.deletions?.met()
    if (!directory.isClosed) return { restoration, directory, there }
    const message = `Cannot write ${printPath(path)}: its directory could not be restored`
    this.options.tally.failed(restoration, new BackupError('IBT_WRITE_FAILED', message, { path }))
    return undefined
  }

  /** Whether what is in the place of an entry is a store or a cache, is in one, or leads to one. */
  isProtected({ directory, there }: Place): boolean {
    return there !== undefined && (directory.isProtected || this.options.places.leadsToPlace(there))
  }

  /** Removes what is in the way. A directory that is not empty is removed only if it may be deleted. */
  async clear({ restoration, there }: Place): Promise<void> {
    const { path } = restoration.entry
    const { deletes, deletions } = this.options
    const isDeleted = there?.type === 'directory' && (await deletes(path, 'directory')) === true
    if (isDeleted) await deletions?.givesWay(path)
    await this.queue.add({ code: isDeleted ? Operation.remove : Operation.removeOne, path, restoration })
  }

  /** Opens a directory that is made in this run. */
  openNew(restoration: Restoration): void {
    this.#add({ restoration, isChanged: true })
  }

  /** Opens a directory that was there before. */
  async openExisting(restoration: Restoration, there: Existing): Promise<void> {
    const { entry } = restoration
    const { owners, places, tally } = this.options
    const isProtected = this.#open.at(-1)?.isProtected === true || places.isPlace(there)
    const isChanged = !isProtected && (await this.#unlock(there, OWNER_LIST))
    if (isChanged) await this.queue.flush()
    const listing = await this.#list(entry.path)
    if (isBackupError(listing)) {
      this.openClosed(restoration, listing)
      return
    }
    const known = entry.path === ROOT_PATH ? { ...there, xattrs: listing.listing.ownXattrs } : there
    const directory = { restoration, there: known, listing, isProtected, isChanged }
    this.#add(directory)
    restoration.isUnchanged = this.#staysAsItIs(directory) || hasMetadata(entry, known, owners)
    restoration.isTouched = true
    tally.there(restoration)
  }

  /** Opens a directory that could not be made: it was reported, and nothing in it can be restored. */
  openFailed(restoration: Restoration): void {
    this.#add({ restoration, isClosed: true })
  }

  /** The same, for a directory that is not reported yet. */
  openClosed(restoration: Restoration, { code, message, cause }: BackupError): void {
    const { path } = restoration.entry
    this.openFailed(restoration)
    this.options.tally.failed(restoration, new BackupError(code, message, { path, cause }))
  }

  /** Call it before something in the directory changes. */
  async change(directory: OpenDirectory): Promise<void> {
    if (directory.isChanged) return
    directory.isChanged = true
    if (directory.there !== undefined && !directory.isProtected) await this.#unlock(directory.there, OWNER_ALL)
  }

  async end(): Promise<void> {
    while (this.#open.length > 0) await this.#leave()
  }

  #add(directory: Partial<OpenDirectory> & Pick<OpenDirectory, 'restoration'>): void {
    const closed = { isClosed: false, isProtected: false, isChanged: false, there: undefined, listing: undefined }
    this.#open.push({ ...closed, symlinks: [], ...directory })
  }

  async #leave(): Promise<void> {
    const directory = this.#open.pop()!
    if (directory.isClosed) return
    await this.onLeave(directory)
    await this.#delete(directory)
    const { restoration, there, isChanged } = directory
    const { entry } = restoration
    const { owners } = this.options
    if (there !== undefined && this.#staysAsItIs(directory)) {
      const { path, mode, mtimeNs } = there
      if (!isChanged || directory.isProtected) return
      await this.queue.add({ code: Operation.setMetadata, path, metadata: { mode, mtimeNs }, restoration })
      return
    }
    if (!isChanged && there !== undefined && hasMetadata(entry, there, owners)) return
    const metadata = restoredMetadata(entry, owners)
    await this.queue.add({ code: Operation.setMetadata, path: entry.path, metadata, restoration })
  }

  #staysAsItIs({ restoration, isProtected }: Pick<OpenDirectory, 'restoration' | 'isProtected'>): boolean {
    return isProtected || this.options.overwrite === 'never' || this.options.isLeading(restoration.entry)
  }

  /** Deletes what a killed restore has left and, except where the backup could not look, what the backup does not have. */
  async #delete(directory: OpenDirectory): Promise<void> {
    const { listing, isProtected, restoration } = directory
    if (listing === undefined) return
    const { deletes, deletions, isLeading, places, tally, owners } = this.options
    const staysFull = restoration.entry.carried || isLeading(restoration.entry)
    const deferred: string[] = []
    for (const other of listing.others()) {
      const { path, type } = other
      const isLeftover = type === 'file' && (await isLeftBehind(other))
      if (!isLeftover && staysFull) continue
      const isDeleted = isLeftover || (await deletes(path, type))
      if (isDeleted === false) continue
      if (isDeleted === 'spare' || isProtected || places.leadsToPlace(other)) {
        if (!isLeftover) tally.spared(path)
        continue
      }
      if (!isLeftover) tally.doomed(other)
      if (!isLeftover && deletions !== undefined) {
        await deletions.add(path, type === 'directory')
        deferred.push(path)
        continue
      }
      await this.change(directory)
      await this.queue.add({ code: isLeftover ? Operation.unlink : Operation.remove, path, deletes: !isLeftover })
    }
    if (deferred.length === 0) return
    const { mode, mtimeNs } = this.#staysAsItIs(directory)
      ? directory.there!
      : restoredMetadata(restoration.entry, owners)
    await deletions?.defer({ path: restoration.entry.path, mode: mode!, mtimeNs: mtimeNs! }, deferred)
  }

  async #list(path: string): Promise<ExistingDirectory | BackupError> {
    const { signal } = this.options
    try {
      return await ExistingDirectory.list(this.queue.root, path, signal)
    } catch (error) {
      if (signal?.aborted || !isBackupError(error)) throw error
      return error
    }
  }

  /** Gives the user access to the user's own directory, until its metadata are set. If that fails, using it fails, too. */
  async #unlock({ path, mode }: Existing, needed: number): Promise<boolean> {
    if (process.geteuid?.() === 0 || (mode & needed) === needed) return false
    await this.queue.add({ code: Operation.setMetadata, path, metadata: { mode: mode | OWNER_ALL } })
    return true
  }
}
