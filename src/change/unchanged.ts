import { isBatch, wholeOrItems } from '../flow/batches.js'
import { type JoinableBatch, stampFrozen } from '../flow/gather.js'
import type { Placed } from '../format/entry-check.js'
import { lineEntries } from '../format/line-entries.js'
import type { WindowEntries } from '../format/state-entries.js'
import type { StateLine } from '../format/state-line.js'
import { LineMatcher } from '../native.js'
import { DiskContent } from '../source/disk.js'
import type { ListedSpan } from '../source/listed.js'
import { type Batch, type Batched, batchOf, type Change, type Packed, type StateEntry } from '../types.js'
import { packedUnchanged, unchangedOf } from './metadata.js'

/** A comma and a line feed. */
const SEPARATOR_BYTES = 2

/** What is known of consecutive entries without a look at them. */
export interface SpanCounts {
  readonly length: number
  /** Files among them, and their bytes. */
  readonly files: number
  readonly sizeBytes: number
  /** Of the last entry. */
  lastPath(): string
}

/** Consecutive entries that are just as the previous state says: its lines. Memory: a part of the state. */
export class UnchangedSpan implements JoinableBatch<Change>, SpanCounts {
  readonly [batchOf] = 'unchanged'

  constructor(
    /** Bytes of the path of the source. */
    readonly root: Uint8Array,
    readonly lines: StateLine,
    readonly length: number,
    readonly files: number,
    readonly sizeBytes: number,
    /** What the lines refer to: `UsedKind`s by index in the chain. */
    readonly used: Uint8Array,
    readonly first: () => Placed,
    readonly last: () => Placed
  ) {}

  lastPath(): string {
    return this.last().path
  }

  /** Bytes that the lines keep in memory: as they are, and as text. */
  get linesBytes(): number {
    return 2 * (this.lines.end - this.lines.start)
  }

  *[Symbol.iterator](): Generator<Change, void, undefined> {
    let index = 0
    for (const previous of lineEntries(this.lines)) {
      yield stampFrozen(unchangedOf(previous, this.#content(previous)), this, index++)
    }
  }

  /** The entries, as they are behind `pack`. */
  *packed(): Generator<Packed, void, undefined> {
    for (const previous of lineEntries(this.lines)) yield packedUnchanged(previous, this.#content(previous))
  }

  #content({ path, type }: StateEntry): DiskContent | undefined {
    return type === 'file' ? new DiskContent(this.root, path) : undefined
  }

  slice(begin: number, end: number): Batch<Change> {
    return wholeOrItems(this, begin, end)
  }
}

/** Tells an `UnchangedSpan` from other batches, and from items. */
export function isUnchangedSpan(item: Batched<object>): item is UnchangedSpan {
  return isBatch(item) && item[batchOf] === 'unchanged'
}

/** Passes over the lines of a state that say just what listed entries are. */
export class UnchangedLines {
  #matcher: LineMatcher | undefined
  #entries = 0
  #files = 0
  #sizeBytes = 0
  #lines: StateLine | undefined
  #root: Uint8Array | undefined
  #first: (() => Placed) | undefined
  #last: (() => Placed) | undefined

  /** How many entries of the span, from `begin` on, have the next lines. */
  pass(entries: WindowEntries, { directory, end }: ListedSpan, begin: number): number {
    const { chain, nextLine: start, window } = entries
    this.#matcher ??= new LineMatcher(chain.length)
    const matcher = this.#matcher
    const count = matcher.match(directory, begin, end, window.bytes, start)
    if (count === 0) return 0
    entries.pass(matcher.end)
    // Lines are contiguous: before an entry is compared by itself, `take()` has ended the span.
    this.#lines = { window, start: this.#lines?.start ?? start, end: matcher.end - SEPARATOR_BYTES, chain }
    this.#root = directory.root
    this.#first ??= () => directory.placed(begin)
    this.#last = () => directory.placed(begin + count - 1)
    this.#entries += count
    this.#files += matcher.files
    this.#sizeBytes += matcher.sizeBytes
    return count
  }

  /** What was passed over since the last call. */
  take(): UnchangedSpan | undefined {
    const [root, lines, first, last] = [this.#root, this.#lines, this.#first, this.#last]
    if (root === undefined || lines === undefined || first === undefined || last === undefined) return undefined
    const used = this.#matcher!.takeUsed()
    const span = new UnchangedSpan(root, lines, this.#entries, this.#files, this.#sizeBytes, used, first, last)
    this.#entries = this.#files = this.#sizeBytes = 0
    this.#lines = this.#first = this.#last = undefined
    return span
  }
}
