import { isBatch } from '../flow/batches.js'
import type { Placed } from '../format/entry-check.js'
import { lineEntries } from '../format/line-entries.js'
import type { WindowEntries } from '../format/state-entries.js'
import type { StateLine } from '../format/state-line.js'
import { LineMatcher } from '../native.js'
import type { ListedSpan } from '../source/listed.js'
import { type Batch, type Batched, batchOf, type Change } from '../types.js'

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
export class UnchangedSpan implements Batch<Change>, SpanCounts {
  readonly [batchOf] = 'unchanged'

  constructor(
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
  get heldBytes(): number {
    return 2 * (this.lines.end - this.lines.start)
  }

  *[Symbol.iterator](): Generator<Change, void, undefined> {
    for (const previous of lineEntries(this.lines)) yield { change: 'unchanged', previous, ...previous }
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
    this.#first ??= () => directory.placed(begin)
    this.#last = () => directory.placed(begin + count - 1)
    this.#entries += count
    this.#files += matcher.files
    this.#sizeBytes += matcher.sizeBytes
    return count
  }

  /** What was passed over since the last call. */
  take(): UnchangedSpan | undefined {
    const [lines, first, last] = [this.#lines, this.#first, this.#last]
    if (lines === undefined || first === undefined || last === undefined) return undefined
    const used = this.#matcher!.takeUsed()
    const span = new UnchangedSpan(lines, this.#entries, this.#files, this.#sizeBytes, used, first, last)
    this.#entries = this.#files = this.#sizeBytes = 0
    this.#lines = this.#first = this.#last = undefined
    return span
  }
}
