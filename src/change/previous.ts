import { BackupError } from '../errors.js'
import { hasBatches } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import { Cursor } from '../flow/cursor.js'
import { WindowEntries } from '../format/state-entries.js'
import { comparePaths, printPath } from '../path.js'
import type { ListedSpan } from '../source/listed.js'
import type { Source, StateEntry } from '../types.js'
import type { ChangeDetection } from './compare.js'
import { type ComparedSpan, SpanComparer, type ToChange } from './compared.js'
import { UnchangedLines, type UnchangedSpan } from './unchanged.js'

/** @throws BackupError IBT_OUT_OF_ORDER */
export function checkOrder(last: string | undefined, path: string, what: string): void {
  if (last === undefined || comparePaths(last, path) < 0) return
  const message = `${what} ${printPath(path)} comes after ${printPath(last)}, not in path order`
  throw new BackupError('IBT_OUT_OF_ORDER', message, { path })
}

/** The previous state with a view of its next entry. Not touched before the first look; its order is checked. */
export class Previous {
  readonly cursor: Cursor<StateEntry>
  /** Batches come from a reader of states, which has checked their order. */
  readonly isOrdered: boolean
  readonly #breather = createBreather()
  readonly #unchanged = new UnchangedLines()
  readonly #comparer: SpanComparer
  #next: StateEntry | undefined
  #last: string | undefined
  #pending: Promise<StateEntry | undefined> | undefined
  #isDone = false

  constructor(
    source: Source<StateEntry>,
    readonly options: ChangeDetection,
    toChange: ToChange
  ) {
    this.isOrdered = hasBatches(source)
    this.cursor = new Cursor(source)
    this.#comparer = new SpanComparer(options, toChange)
  }

  /** A promise only where it has to be waited for. */
  peek(): StateEntry | undefined | Promise<StateEntry | undefined> {
    if (this.#next !== undefined || this.#isDone) return this.#next
    return this.#pending ?? this.#pull()
  }

  #pull(): StateEntry | undefined | Promise<StateEntry | undefined> {
    const pulled = this.#breather.due() ? this.#breather.pause().then(() => this.cursor.next()) : this.cursor.next()
    if (!(pulled instanceof Promise)) return this.#accept(pulled)
    const accepted = pulled.then(next => {
      this.#pending = undefined
      return this.#accept(next)
    })
    return (this.#pending = accepted)
  }

  advance(): void {
    this.#next = undefined
  }

  /** The entry of the path, if it is the one that was peeked at. */
  take(path: string): StateEntry | undefined {
    const entry = this.#next
    if (entry?.path !== path) return undefined
    this.advance()
    return entry
  }

  /** Passes over the next entries of the state that say just what those of the span are, from `begin` on: how many. */
  pass(span: ListedSpan, begin: number): number {
    const lines = this.#lines
    return lines === undefined || this.options.checksum ? 0 : this.#unchanged.pass(lines, span, begin)
  }

  /** What was passed over since the last call. */
  takeUnchanged(): UnchangedSpan | undefined {
    return this.#unchanged.take()
  }

  /** Entries of the span, from `begin` on, that can be compared where they are; undefined if the next one cannot. */
  compare(span: ListedSpan, begin: number): ComparedSpan | undefined {
    const lines = this.#lines
    if (lines !== undefined) return this.#comparer.compare(lines, span, begin)
    const next = this.#next
    if (next === undefined && !this.#isDone) return undefined
    let end = begin
    while (end < span.end && (next === undefined || comparePaths(span.directory.pathOf(end), next.path) < 0)) end++
    return end > begin ? this.#comparer.created(span, begin, end) : undefined
  }

  /** The lines that come next, if no entry was read of them ahead. */
  get #lines(): WindowEntries | undefined {
    const { batch } = this.cursor
    return this.#next === undefined && batch instanceof WindowEntries ? batch : undefined
  }

  #accept({ value, done }: IteratorResult<StateEntry>): StateEntry | undefined {
    if (done) {
      this.#isDone = true
      return undefined
    }
    if (!this.isOrdered) checkOrder(this.#last, value.path, 'Entry of the state')
    this.#last = value.path
    return (this.#next = value)
  }
}
