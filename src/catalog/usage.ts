import { BackupError } from '../errors.js'
import { isBelow, printPath, ROOT_PATH } from '../path.js'
import { parseAt } from '../places/at.js'
import type { AtOptions } from '../places/options.js'
import { parseTypedPath } from '../rules.js'
import type { StateEntry } from '../types.js'
import { onlyWithin, peekChain } from './open-chain.js'

/** Options of `diskUsage`. */
export interface UsageOptions extends AtOptions {
  /** The directory, or the one entry, that is added up. Default: the root. */
  readonly path?: string | undefined
  /** Levels of directories below it that are yielded. Default: all. */
  readonly depth?: number | undefined
}

/** What a directory holds, with all below it. */
export interface DirectoryUsage {
  readonly path: string
  /** Of the contents of files. What has several hard links counts once, at the first. */
  readonly sizeBytes: number
  /** Bytes that the backup of this date has added to archives for it, before compression. */
  readonly newBytes: number
  readonly files: number
  /** The directory itself among them. */
  readonly entries: number
}

/**
 * Bytes by directory at a date, each directory behind those in it, as `du` prints them; from the state alone.
 * Memory: the directories that lead to the place that is read, and one number for each group of hard links.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_NOT_FOUND for a path that the backup does not have; RangeError for a depth
 */
export async function* diskUsage(
  key: string,
  options: UsageOptions = {}
): AsyncGenerator<DirectoryUsage, { readonly date: string }, undefined> {
  const { path = ROOT_PATH, depth = Infinity } = options
  if (!(depth >= 0)) throw new RangeError(`A depth is a number from 0, not ${depth}`)
  const root = parseTypedPath(path)
  const chain = await peekChain(key, options)
  const { date, stateDate } = chain.at(await parseAt(options.at))
  const sums = new UsageSums(depth, stateDate)
  const entries = root === ROOT_PATH ? chain.entries(date) : onlyWithin(chain.entries(date, { from: root }), root)
  for await (const entry of entries) yield* sums.add(entry)
  if (sums.isEmpty) throw noEntry(key, date, root)
  yield* sums.leaveFor(undefined)
  return { date }
}

/** The error of a path that the backup of a date does not have. */
export function noEntry(key: string, date: string, path: string): BackupError {
  return new BackupError('IBT_NOT_FOUND', `The backup of ${key} of ${date} has no ${printPath(path)}`, { path })
}

interface Open {
  readonly path: string
  readonly depth: number
  sizeBytes: number
  newBytes: number
  files: number
  entries: number
}

class UsageSums {
  readonly #open: Open[] = []
  readonly #links = new Set<number>()
  isEmpty = true

  constructor(
    readonly depth: number,
    /** In the names of the archives that the backup has made. */
    readonly date: string
  ) {}

  /** Adds an entry: what of directories has come to its end. */
  *add(entry: StateEntry): Generator<DirectoryUsage, void, undefined> {
    this.isEmpty = false
    yield* this.leaveFor(entry.path)
    const open = this.#open
    // What is added up may also be one file.
    if (entry.type === 'directory' || open.length === 0) {
      open.push({ path: entry.path, depth: open.length, sizeBytes: 0, newBytes: 0, files: 0, entries: 0 })
    }
    this.#count(open.at(-1)!, entry)
  }

  *leaveFor(path: string | undefined): Generator<DirectoryUsage, void, undefined> {
    const open = this.#open
    while (open.length > 0 && (path === undefined || !isBelow(path, open.at(-1)!.path))) {
      const { depth, ...usage } = open.pop()!
      const above = open.at(-1)
      if (above !== undefined) {
        above.sizeBytes += usage.sizeBytes
        above.newBytes += usage.newBytes
        above.files += usage.files
        above.entries += usage.entries
      }
      if (depth <= this.depth) yield usage
    }
  }

  #count(directory: Open, { type, link, sizeBytes = 0, places = [] }: StateEntry): void {
    directory.entries++
    if (type !== 'file') return
    directory.files++
    if (link !== undefined) {
      if (this.#links.has(link)) return
      this.#links.add(link)
    }
    directory.sizeBytes += sizeBytes
    for (const place of places) if (place.date === this.date) directory.newBytes += place.sizeBytes ?? sizeBytes
  }
}
