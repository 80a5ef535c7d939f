import { BackupError, isBackupError } from '../errors.js'
import { Operation } from '../native.js'
import { checkPath, isBelow, parentPath, printPath, ROOT_PATH } from '../path.js'
import type { Entry, EntryType } from '../types.js'
import { type Existing, ExistingDirectory } from './existing.js'
import type { OperationQueue } from './operation-queue.js'
import { type Outcome, type Owners, type Restorable, restoredMetadata, UNCHANGED, WRITTEN } from './restored.js'
import { hasMetadata } from './same.js'
import { isTemporaryName } from './temporary-name.js'

export interface OpenDirectoriesOptions {
  readonly owners: Owners
  /** What becomes of what is there. Undefined: nothing is there. */
  readonly overwrite: 'always' | 'if-changed' | 'never' | undefined
  /** Whether something that is there and not among the entries is removed. */
  readonly deletes: (path: string, type: EntryType) => boolean
  /** Whether a directory that is there stays as it is: it only leads to other entries. */
  readonly isLeading: (directory: Entry) => boolean
  readonly onError: (error: BackupError) => void
  readonly signal: AbortSignal | undefined
}

/** A directory that is being filled: its links are made, and its metadata set, when it is left. */
export interface OpenDirectory {
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
export interface Place {
  readonly entry: Restorable
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

  /** Entries that were removed. */
  deletedEntries = 0

  /** The place of an entry in the directory that was filled last, if it is made in this run: nothing has to be left. */
  here(entry: Restorable): Place | undefined {
    const { path } = entry
    const directory = this.#open.at(-1)
    if (directory === undefined || directory.there !== undefined || directory.isClosed) return undefined
    const parent = directory.entry.path
    const nameAt = parent === ROOT_PATH ? 0 : parent.length + 1
    if (path.indexOf('/', nameAt) >= 0 || (nameAt > 0 && !isBelow(path, parent))) return undefined
    checkPath(path)
    return path === ROOT_PATH ? undefined : { entry, directory, there: undefined }
  }

  /**
   * Leaves the directories that the entry is not in. Its parent has to be open: an entry of the same backup.
   * Undefined, and told, if nothing can be restored there.
   */
  async arrive(entry: Restorable): Promise<Place | undefined> {
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

  /** Opens a directory that was made just now, or that was there. */
  async open(entry: Restorable, there: Existing | undefined): Promise<Outcome | undefined> {
    if (there === undefined) {
      this.#open.push({ entry, there, listing: undefined, isClosed: false, isChanged: true, symlinks: [] })
      return WRITTEN
    }
    const isChanged = await this.#unlock(there, OWNER_LIST)
    if (isChanged) await this.queue.flush()
    const listing = await this.#list(entry.path)
    if (isBackupError(listing)) {
      this.openClosed(entry, listing)
      return undefined
    }
    const known = entry.path === ROOT_PATH ? { ...there, xattrs: listing.listing.ownXattrs } : there
    this.#open.push({ entry, there: known, listing, isClosed: false, isChanged, symlinks: [] })
    const isRight = this.#staysAsItIs(entry) || hasMetadata(known, restoredMetadata(entry, this.options.owners))
    return isRight ? UNCHANGED : WRITTEN
  }

  /** Nothing in it can be restored, and nothing in it is touched. */
  openClosed(entry: Restorable, { code, message, cause }: BackupError): void {
    const { path } = entry
    this.#open.push({ entry, there: undefined, listing: undefined, isClosed: true, isChanged: false, symlinks: [] })
    this.options.onError(new BackupError(code, message, { path, cause }))
  }

  /** Called before something in it changes. */
  async change(directory: OpenDirectory): Promise<void> {
    if (directory.isChanged) return
    directory.isChanged = true
    if (directory.there !== undefined) await this.#unlock(directory.there, OWNER_ALL)
  }

  async end(): Promise<void> {
    while (this.#open.length > 0) await this.#leave()
  }

  async #leave(): Promise<void> {
    const directory = this.#open.pop()!
    if (directory.isClosed) return
    await this.onLeave(directory)
    await this.#delete(directory)
    const { entry, there, isChanged } = directory
    if (there !== undefined && this.#staysAsItIs(entry)) {
      const { path, mode, mtimeNs } = there
      if (isChanged) await this.queue.add({ code: Operation.setMetadata, path, metadata: { mode, mtimeNs } })
      return
    }
    const metadata = restoredMetadata(entry, this.options.owners)
    if (!isChanged && there !== undefined && hasMetadata(there, metadata)) return
    await this.queue.add({ code: Operation.setMetadata, path: entry.path, metadata })
  }

  #staysAsItIs(entry: Restorable): boolean {
    return this.options.overwrite === 'never' || this.options.isLeading(entry)
  }

  /** Removes what a killed restore has left, and what the backup does not have; where that could not look, nothing. */
  async #delete(directory: OpenDirectory): Promise<void> {
    if (directory.listing === undefined || directory.entry.carried) return
    for (const { path, type } of directory.listing.others()) {
      const isLeftover = type === 'file' && isTemporaryName(path)
      if (!isLeftover && !this.options.deletes(path, type)) continue
      await this.change(directory)
      await this.queue.add({ code: Operation.remove, path })
      if (!isLeftover) this.deletedEntries++
    }
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

  /** Lets the user into a directory of the user's own that forbids it, until its metadata are set. */
  async #unlock({ path, mode }: Existing, needed: number): Promise<boolean> {
    if (process.geteuid?.() === 0 || (mode & needed) === needed) return false
    await this.queue.add({ code: Operation.setMetadata, path, metadata: { mode: mode | OWNER_ALL } })
    return true
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
