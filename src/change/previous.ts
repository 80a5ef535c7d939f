import { BackupError } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { Cursor, isGrouped } from '../flow/cursor.js'
import { WindowEntries } from '../format/state-entries.js'
import { comparePaths, printPath } from '../path.js'
import type { ListedRun } from '../source/listed.js'
import type { Change, Source, StateEntry } from '../types.js'
import type { ChangeDetection } from './compare.js'
import { KeptLines } from './kept.js'

/** @throws BackupError IBT_OUT_OF_ORDER */
export function checkOrder(last: string | undefined, path: string, what: string): void {
  if (last === undefined || comparePaths(last, path) < 0) return
  const message = `${what} ${printPath(path)} comes after ${printPath(last)}, not in path order`
  throw new BackupError('IBT_OUT_OF_ORDER', message, { path })
}

/** The previous state with a view of its next entry. Not touched before the first look; its order is checked. */
export class Previous {
  readonly cursor: Cursor<StateEntry>
  /** Groups come from a reader of states, which has checked their order. */
  readonly isOrdered: boolean
  readonly #breather = createBreather()
  readonly #kept = new KeptLines()
  #next: StateEntry | undefined
  #last: string | undefined
  #isDone = false

  constructor(
    source: Source<StateEntry>,
    readonly options: ChangeDetection
  ) {
    this.isOrdered = isGrouped(source)
    this.cursor = new Cursor(source)
  }

  /** A promise only where it has to be waited for. */
  peek(): StateEntry | undefined | Promise<StateEntry | undefined> {
    if (this.#next !== undefined || this.#isDone) return this.#next
    if (this.#breather.due()) return this.#breather.pause().then(() => this.peek())
    const pulled = this.cursor.next()
    return pulled instanceof Promise ? pulled.then(next => this.#keep(next)) : this.#keep(pulled)
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

  /** Passes over the next entries of the state that say just what those of the run are, from `begin` on: how many. */
  keep(run: ListedRun, begin: number): number {
    const { group } = this.cursor
    const mayKeep = this.#next === undefined && group instanceof WindowEntries && !this.options.checksum
    return mayKeep ? this.#kept.pass(group, run, begin) : 0
  }

  /** What was passed over since the last call, if anything: to the stages behind one of the items that they let pass. */
  *takeKept(): Generator<Change, void, undefined> {
    const kept = this.#kept.take()
    if (kept !== undefined) yield kept as object as Change
  }

  #keep({ value, done }: IteratorResult<StateEntry>): StateEntry | undefined {
    if (done) {
      this.#isDone = true
      return undefined
    }
    if (!this.isOrdered) checkOrder(this.#last, value.path, 'Entry of the state')
    this.#last = value.path
    return (this.#next = value)
  }
}
