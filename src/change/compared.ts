import { isBatch } from '../flow/batches.js'
import { type JoinableBatch, stampFrozen } from '../flow/gather.js'
import { lineEntries } from '../format/line-entries.js'
import type { WindowEntries } from '../format/state-entries.js'
import { Window } from '../format/state-lines.js'
import { type ComparedLines, LineCode, LineMatcher } from '../native.js'
import type { ListedDirectory, ListedSpan } from '../source/listed.js'
import {
  type Batched,
  batchOf,
  type ChainLink,
  type Change,
  type ChangeKind,
  type Entry,
  type EveryField,
  type StateEntry
} from '../types.js'
import { type ChangeDetection, kindOf } from './compare.js'
import { changeOf } from './metadata.js'

/** Unchanged entries in a row behind which a span ends: they pass as lines. */
const UNCHANGED_MAX = 64

const NO_LINES = new Window(Buffer.alloc(0))

/** Makes the `Change` of an entry that has a line in the previous state. */
export type ToChange = (entry: EveryField<Entry>, previous: StateEntry, change: ChangeKind) => Change

/** The lines of a state that entries of one directory were compared with. */
export interface PairedLines extends ComparedLines {
  readonly window: Window
  readonly chain: readonly ChainLink[]
}

/**
 * Consecutive plain entries of a directory that were compared with the lines of the previous state: what each of them is,
 * and where its line is. Memory: the listing, and a part of the state.
 */
export class ComparedSpan implements JoinableBatch<Change> {
  readonly [batchOf] = 'compared'

  constructor(
    readonly directory: ListedDirectory,
    readonly begin: number,
    readonly kinds: readonly ChangeKind[],
    readonly lines: PairedLines,
    readonly toChange: ToChange
  ) {}

  get length(): number {
    return this.kinds.length
  }

  get end(): number {
    return this.begin + this.kinds.length
  }

  *[Symbol.iterator](): Generator<Change, void, undefined> {
    for (let i = this.begin; i < this.end; i++) yield stampFrozen(this.change(i), this, i)
  }

  slice(begin: number, end: number): ComparedSpan {
    const [from, to] = [begin - this.begin, end - this.begin]
    const { codes, differences, starts, ends, digests } = this.lines
    const lines = {
      ...this.lines,
      count: to - from,
      codes: codes.subarray(from, to),
      differences: differences.subarray(from, to),
      starts: starts.subarray(from, to),
      ends: ends.subarray(from, to),
      digests: digests.subarray(from, to)
    }
    return new ComparedSpan(this.directory, begin, this.kinds.slice(from, to), lines, this.toChange)
  }

  change(i: number): Change {
    const at = i - this.begin
    const entry = this.directory.entry(i)
    const { codes, starts, ends, window, chain } = this.lines
    if (codes[at] === LineCode.none) return changeOf(entry)
    const [previous] = lineEntries({ window, start: starts[at]!, end: ends[at]!, chain })
    return this.toChange(entry, previous!, this.kinds[at]!)
  }
}

/** Tells a `ComparedSpan` from other batches, and from items. */
export function isComparedSpan(item: Batched<object>): item is ComparedSpan {
  return isBatch(item) && item[batchOf] === 'compared'
}

/** Compares listed entries with lines of a state, where both are columns or bytes. */
export class SpanComparer {
  #matcher: LineMatcher | undefined

  constructor(
    readonly detection: ChangeDetection,
    readonly toChange: ToChange
  ) {}

  /** The entries of the span from `begin` on that can be compared so; undefined if the next one cannot. */
  compare(entries: WindowEntries, { directory, end }: ListedSpan, begin: number): ComparedSpan | undefined {
    const { chain, nextLine: start, window } = entries
    if (start >= window.bytes.length) return undefined
    this.#matcher ??= new LineMatcher(chain.length)
    const at = { lines: window.bytes, start }
    const found = this.#matcher.compare(directory, { begin, end }, at, UNCHANGED_MAX)
    if (found.count === 0) return undefined
    if (this.#matcher.end > start) entries.pass(this.#matcher.end)
    const kinds: ChangeKind[] = []
    for (let i = 0; i < found.count; i++) {
      const isNew = found.codes[i] === LineCode.none
      const type = directory.typeOf(begin + i)!
      kinds.push(isNew ? 'created' : kindOf(type, found.differences[i]!, this.detection))
    }
    return new ComparedSpan(directory, begin, kinds, { ...found, window, chain }, this.toChange)
  }

  /** Entries that the state does not have. */
  created({ directory }: ListedSpan, begin: number, end: number): ComparedSpan {
    const count = end - begin
    const none = new Uint32Array(count)
    const codes = new Uint8Array(count).fill(LineCode.none)
    const lines = { codes, differences: codes, starts: none, ends: none, digests: none, count }
    const kinds = new Array<ChangeKind>(count).fill('created')
    return new ComparedSpan(directory, begin, kinds, { ...lines, window: NO_LINES, chain: [] }, this.toChange)
  }
}
