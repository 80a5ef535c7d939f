import type { Placed } from '../format/entry-check.js'
import type { WindowEntries } from '../format/state-entries.js'
import type { StateLine } from '../format/state-line.js'
import { LineMatcher } from '../native.js'
import type { ListedDirectory, ListedRun } from '../source/listed.js'
import type { Kept } from './runs.js'

/** A comma and a line feed. */
const SEPARATOR_BYTES = 2

interface ListedEntry {
  readonly directory: ListedDirectory
  readonly index: number
}

/** Passes over the lines of a state that say just what listed entries are. */
export class KeptLines {
  #matcher: LineMatcher | undefined
  #entries = 0
  #files = 0
  #sizeBytes = 0
  #lines: StateLine | undefined
  #first: ListedEntry | undefined
  #last: ListedEntry | undefined

  /** How many entries of the run, from `begin` on, have the next lines. */
  pass(entries: WindowEntries, { directory, end }: ListedRun, begin: number): number {
    const { chain, nextLine: start } = entries
    const { bytes } = entries.window
    this.#matcher ??= new LineMatcher(chain.length)
    const matcher = this.#matcher
    const count = matcher.match(directory, begin, end, bytes, start)
    if (count === 0) return 0
    entries.pass(matcher.end)
    // Lines that do not come directly behind follow an entry that was looked at, and then all was taken.
    this.#lines = { bytes, start: this.#lines?.start ?? start, end: matcher.end - SEPARATOR_BYTES, chain }
    this.#first ??= { directory, index: begin }
    this.#last = { directory, index: begin + count - 1 }
    this.#entries += count
    this.#files += matcher.files
    this.#sizeBytes += matcher.sizeBytes
    return count
  }

  /** What was passed over since the last call. */
  take(): Kept | undefined {
    const first = this.#first
    const last = this.#last
    if (this.#lines === undefined || first === undefined || last === undefined) return undefined
    const kept = {
      entries: this.#entries,
      files: this.#files,
      sizeBytes: this.#sizeBytes,
      kept: this.#lines,
      used: this.#matcher!.takeUsed(),
      first: () => toPlaced(first),
      last: () => toPlaced(last),
      lastPath: () => last.directory.pathOf(last.index)
    }
    this.#entries = this.#files = this.#sizeBytes = 0
    this.#lines = this.#first = this.#last = undefined
    return kept
  }
}

function toPlaced({ directory, index }: ListedEntry): Placed {
  return { path: directory.pathOf(index), type: directory.typeOf(index)! }
}
