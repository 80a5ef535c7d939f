import { BackupError, isBackupError } from '../errors.js'
import { Operation } from '../native.js'
import { printPath, ROOT_PATH } from '../path.js'
import type { Existing } from './existing.js'
import { FileWriter, type FileWriterOptions } from './file-writer.js'
import { LeftInPlace } from './left-in-place.js'
import { OpenDirectories, type OpenDirectoriesOptions, type OpenDirectory, type Place } from './open-directories.js'
import { DryQueue, OperationQueue } from './operation-queue.js'
import type { PathOperation } from './operations.js'
import { Outcomes, refusal } from './outcomes.js'
import { type Restorable, Restoration, restoredMetadata } from './restored.js'
import { WrittenLinks } from './written-links.js'

export interface TreeWriterOptions extends OpenDirectoriesOptions, FileWriterOptions {
  /** The root as it is, if it may hold something. */
  readonly existing: Existing | undefined
  /** Nothing is written: operations count as done. */
  readonly isDry: boolean
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
  readonly #queue: OperationQueue
  readonly #leftInPlace: LeftInPlace
  readonly #files: FileWriter

  constructor(
    readonly root: number,
    readonly options: TreeWriterOptions
  ) {
    const { existing, owners, signal } = options
    const observer = new Outcomes(options.tally, this.#links)
    const queueOptions = { isNew: existing === undefined, setsOwner: owners !== 'none', observer, signal }
    this.#queue = options.isDry ? new DryQueue(root, queueOptions) : new OperationQueue(root, queueOptions)
    this.#directories = new OpenDirectories(this.#queue, options, directory => this.#makeSymlinks(directory))
    this.#leftInPlace = new LeftInPlace(root, this.#queue, this.#links, options)
    this.#files = new FileWriter(root, this.#queue, this.#directories, options)
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
    if (place !== undefined && !(await this.#leftInPlace.leaves(place))) place.directory.symlinks.push(place)
  }

  /** A FIFO or a device. */
  async node(entry: Restorable, code: PathOperation['code']): Promise<void> {
    const place = await this.#directories.arrive(entry)
    if (place === undefined || (await this.#leftInPlace.leaves(place))) return
    await this.#make(place, { code, path: entry.path, metadata: this.#metadata(entry) })
  }

  async file(entry: Restorable): Promise<void> {
    const place = this.#directories.here(entry) ?? (await this.#directories.arrive(entry))
    if (place === undefined) return
    if (place.there !== undefined && (await this.#leftInPlace.leaves(place))) return
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
    await this.options.deletions?.run(this.#queue)
    await this.#queue.flush()
  }

  /** After an error: waits until nothing is written any more. */
  async leave(): Promise<void> {
    await this.#queue.idle()
  }

  async #openRoot(entry: Restorable, existing: Existing | undefined): Promise<void> {
    const restoration = new Restoration(entry, existing)
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
    if (this.#isRefused(place)) return
    const { restoration, directory } = place
    this.#links.add(restoration.entry)
    if (this.options.isDry) return this.#wouldWrite(place)
    if (!directory.isChanged) await this.#directories.change(directory)
    // To make the content, `patch` may spool in the root.
    const { root } = this.#directories
    if (!root.isChanged) await this.#directories.change(root)
    await this.#files.write(place)
  }

  async #wouldWrite(place: Place): Promise<void> {
    const { restoration, there } = place
    const { path, sizeBytes = 0 } = restoration.entry
    if (there?.type === 'directory') await this.#directories.clear(place)
    restoration.sizeBytes = sizeBytes
    await this.#queue.add({ code: Operation.writeFile, path, restoration, completes: true })
  }

  /** Makes something where something else may be. */
  async #replace(place: Place, operation: PathOperation): Promise<void> {
    if (this.#isRefused(place)) return
    const { restoration, directory, there } = place
    await this.#directories.change(directory)
    if (there !== undefined) await this.#directories.clear(place)
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

  #metadata(entry: Restorable) {
    return restoredMetadata(entry, this.options.owners)
  }
}
