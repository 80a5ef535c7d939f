import { Operation } from '../native.js'
import { digestOf, type Existing, inodeOf } from './existing.js'
import type { OpenDirectoriesOptions, Place } from './open-directories.js'
import type { OperationQueue } from './operation-queue.js'
import { isWithheld, type Restorable, type Restoration, restoredMetadata } from './restored.js'
import { hasMetadata, isSameThing } from './same.js'
import type { WrittenLinks } from './written-links.js'

/** Finds the things in a destination that are right already, and makes their metadata right. */
export class LeftInPlace {
  constructor(
    readonly root: number,
    readonly queue: OperationQueue,
    readonly links: WrittenLinks,
    readonly options: OpenDirectoriesOptions
  ) {}

  /** Whether something that is in the entry's place may stay there, with its metadata made right. */
  async leaves({ restoration, directory, there }: Place): Promise<boolean> {
    const { entry } = restoration
    if (there === undefined) return false
    if (this.options.overwrite === 'never') return this.#isUnchanged(restoration)
    const first = this.links.first(entry)
    if (first !== undefined) return inodeOf(there) === first.inode && this.#isUnchanged(restoration)
    if (!isSameThing(entry, there) || !this.links.mayStay(entry, there)) return false
    if (entry.type === 'file' && !(await this.#hasContent(entry, there))) return false
    this.links.add(entry, there)
    const { owners, tally } = this.options
    const metadata = restoredMetadata(entry, owners)
    if (directory.isProtected || hasMetadata(entry, there, owners)) {
      if (isWithheld(entry, metadata, there, owners)) tally.unprivileged(restoration)
      return this.#isUnchanged(restoration)
    }
    const { path } = entry
    restoration.isTouched = true
    await this.queue.add({ code: Operation.setMetadata, path, metadata, restoration, completes: true })
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
}
