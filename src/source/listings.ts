import { IGNORE_FILE_BYTES, LISTED_BELOW_ENTRIES, LISTING_JOBS } from '../constants.js'
import { BackupError } from '../errors.js'
import { FileType, type Listing, listDirectories } from '../native.js'
import { encodePath } from '../path.js'
import type { Rules, Scope } from '../rules.js'
import type { ListedDirectory } from './listed.js'

export interface ListingsOptions {
  /** Directories that are listed ahead in each directory that is served. */
  readonly concurrency: number
  readonly signal: AbortSignal | undefined
}

/** A listing, why there is none, or undefined where a job has come to no listing. */
type Found = Listing | BackupError | undefined

/** Directories that are listed in one job: those of these indexes, and what comes along. */
interface Job {
  readonly indexes: readonly number[]
  readonly listings: Promise<readonly Found[]>
}

/** Lists the directories of a source below an open root, and the files in them that the rules ask for. */
export class Listings {
  readonly #captures: readonly Uint8Array[]

  constructor(
    readonly root: Uint8Array,
    readonly rules: Rules,
    readonly options: ListingsOptions
  ) {
    this.#captures = rules.captures.map(name => encodePath(name))
  }

  async list(paths: readonly string[], belowEntries = 0): Promise<readonly Found[]> {
    const { signal } = this.options
    const captureLinks = this.rules.linkedCaptures ?? 0
    const capture = { capture: this.#captures, captureMaxBytes: IGNORE_FILE_BYTES, captureLinks }
    try {
      return await listDirectories(this.root, paths, { ...capture, belowEntries, signal })
    } catch (error) {
      if (signal?.aborted || !(error instanceof BackupError)) throw error
      return paths.map(() => error)
    }
  }
}

/**
 * The listings of the directories in one directory, which are asked for in their order, and some of them ahead.
 * Memory: for each of `concurrency` directories, `LISTED_BELOW_ENTRIES` entries and those of one directory.
 */
export class ListingsBelow {
  readonly #jobs: Job[] = []
  /** The first index that was not looked at. */
  #next = 0

  constructor(
    readonly listings: Listings,
    readonly directory: ListedDirectory,
    readonly scope: Scope
  ) {
    this.#lookAhead()
  }

  /** Undefined for a directory that is not to be listed. */
  async get(index: number): Promise<Found> {
    const along = this.directory.listing.below.get(index)
    if (along !== undefined || !this.#isListed(index)) return along
    const jobs = this.#jobs
    while (jobs.length > 0 && jobs[0]!.indexes.at(-1)! < index) jobs.shift()
    this.#next = Math.max(this.#next, index)
    this.#lookAhead()
    for (;;) {
      const { indexes, listings } = jobs.find(job => job.indexes.includes(index))!
      const listing = (await listings)[indexes.indexOf(index)]
      if (listing !== undefined) return listing
    }
  }

  /** Asks for the listings of the next directories, some of them in one job. */
  #lookAhead(): void {
    const { concurrency } = this.listings.options
    const { count } = this.directory.listing
    const most = Math.ceil(concurrency / LISTING_JOBS)
    let asked = this.#jobs.reduce((sum, { indexes }) => sum + indexes.length, 0)
    while (asked + most <= concurrency && this.#next < count) {
      const indexes: number[] = []
      for (; this.#next < count && indexes.length < most; this.#next++) {
        if (this.#isListed(this.#next)) indexes.push(this.#next)
      }
      if (indexes.length > 0) this.#jobs.push(this.#ask(indexes))
      asked += indexes.length
    }
  }

  #ask(indexes: readonly number[]): Job {
    const mayDescend = this.scope.isIdle && this.listings.rules.capturesDecide
    const paths = indexes.map(i => this.directory.pathOf(i))
    const job = { indexes, listings: this.listings.list(paths, mayDescend ? LISTED_BELOW_ENTRIES : 0) }
    job.listings.then(
      found => this.#askRest(job, found),
      () => {}
    )
    return job
  }

  /** What is below some directories has taken the room of others: these are asked for again, and not only when they are due. */
  #askRest(job: Job, found: readonly Found[]): void {
    const reached = found.indexOf(undefined)
    const at = this.#jobs.indexOf(job)
    if (reached < 0 || at < 0) return
    const { indexes, listings } = job
    this.#jobs.splice(at, 1, { indexes: indexes.slice(0, reached), listings }, this.#ask(indexes.slice(reached)))
  }

  /** Whether a directory is to be listed that did not come along with its parent. */
  #isListed(i: number): boolean {
    const { types, errnos, below, devs, dev } = this.directory.listing
    if (types[i] !== FileType.directory || errnos[i] !== 0 || below.has(i)) return false
    if (this.listings.rules.oneFileSystem && devs[i] !== dev) return false
    return !this.scope.excludes(this.directory.pathOf(i), 'directory')
  }
}
