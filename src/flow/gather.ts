import { BATCH_ENTRIES } from '../constants.js'
import type { Batch, Batched } from '../types.js'
import { Given } from './given.js'

/** A batch whose items, taken out one by one, can be joined to a batch again. */
export interface JoinableBatch<T> extends Batch<T> {
  /** Whether the item still says, in every field, what the columns say at this index. Without it, the items are frozen. */
  says?(index: number, item: T): boolean
  /** A part of it, by the indexes that its items were stamped with. */
  slice(begin: number, end: number): Batch<T>
}

interface Origin {
  readonly batch: unknown
  readonly index: number
}

/** A private field is in no copy of the item: a stage that changes something makes a copy, which is on its own. */
class Stamped extends Given {
  readonly #origin: Origin

  constructor(item: object, origin: Origin) {
    super(item)
    this.#origin = origin
  }

  static originOf(item: object): Origin | undefined {
    return #origin in item ? item.#origin : undefined
  }
}

/** Remembers which batch an item came out of, and where it stood. The item stays a plain object. */
export function stamp<T extends object>(item: T, batch: JoinableBatch<T>, index: number): T {
  return new Stamped(item, { batch, index }) as object as T
}

/** As `stamp`, of an item that nobody can change then: who wants it otherwise makes a copy. */
export function stampFrozen<T extends object>(item: T, batch: JoinableBatch<T>, index: number): T {
  return Object.freeze(stamp(item, batch, index))
}

/** Items in a row that were taken out of one batch. */
class Row<T> {
  end: number

  constructor(
    readonly batch: JoinableBatch<T>,
    readonly begin: number
  ) {
    this.end = begin + 1
  }

  /** Takes the item if it is the next one. */
  takes(item: T): boolean {
    const origin = Stamped.originOf(item as object)
    if (origin === undefined || origin.batch !== this.batch || origin.index !== this.end) return false
    if (this.end - this.begin >= BATCH_ENTRIES || !isAsStamped(this.batch, origin.index, item)) return false
    this.end++
    return true
  }
}

function rowOf<T>(item: T): Row<T> | undefined {
  const origin = typeof item === 'object' && item !== null ? Stamped.originOf(item) : undefined
  if (origin === undefined) return undefined
  const batch = origin.batch as JoinableBatch<T>
  return isAsStamped(batch, origin.index, item) ? new Row(batch, origin.index) : undefined
}

function isAsStamped<T>(batch: JoinableBatch<T>, index: number, item: T): boolean {
  return batch.says?.(index, item) ?? Object.isFrozen(item)
}

/**
 * Joins items that came out of a batch, and are as they were, to a batch again; all others pass one by one.
 *
 * Order kept. Look-ahead: while such items are at hand, up to `BATCH_ENTRIES` of them; a pull that takes longer than to the
 * next turn of the event loop lets those go on that wait. No other item waits. Memory: the columns that they came from.
 */
export async function* gather<T>(source: AsyncIterable<T>): AsyncGenerator<Batched<T>, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  const pulls = new Pulls(iterator)
  let row: Row<T> | undefined
  let isDone = false
  try {
    for (;;) {
      const next = row === undefined ? await pulls.next() : await pulls.fill(row)
      if (row !== undefined) yield row.batch.slice(row.begin, row.end)
      row = undefined
      if (next === undefined) continue
      if (next.done) {
        isDone = true
        return
      }
      row = rowOf(next.value)
      if (row === undefined) yield next.value
    }
  } catch (error) {
    isDone = pulls.hasFailed
    if (isDone && row !== undefined) yield row.batch.slice(row.begin, row.end)
    throw error
  } finally {
    if (!isDone) {
      const closed = Promise.resolve(iterator.return?.())
      // A source that is parked may never answer.
      if (pulls.isPulling) closed.catch(() => {})
      else await closed
    }
  }
}

/** Pulls that can be waited for until the next turn of the event loop only. */
class Pulls<T> {
  hasFailed = false
  #pull: Promise<IteratorResult<T>> | undefined
  #isTurnAwaited = false
  #row: Row<T> | undefined
  /** Of the row that is being filled. */
  #settle:
    | {
        readonly resolve: (next: IteratorResult<T> | undefined) => void
        readonly reject: (error: unknown) => void
      }
    | undefined

  /** A pull is under way. */
  get isPulling(): boolean {
    return this.#pull !== undefined
  }

  constructor(readonly iterator: AsyncIterator<T>) {}

  async next(): Promise<IteratorResult<T>> {
    try {
      this.#pull ??= this.iterator.next()
      const next = await this.#pull
      this.#pull = undefined
      return next
    } catch (error) {
      this.hasFailed = true
      throw error
    }
  }

  /**
   * Pulls items into a row while they are at hand. Resolves to the first that the row does not take; undefined if the next
   * is not at hand: then it is still being pulled. Of the items themselves each costs one promise, and no function.
   */
  fill(row: Row<T>): Promise<IteratorResult<T> | undefined> {
    this.#row = row
    if (!this.#isTurnAwaited) this.#awaitTurn()
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#pullAgain()
    })
  }

  #pullAgain(): void {
    this.#pull ??= this.iterator.next()
    this.#pull.then(this.#onNext, this.#onError)
  }

  readonly #onNext = (next: IteratorResult<T>): void => {
    // One that was left is asked for again.
    if (this.#settle === undefined) return
    this.#pull = undefined
    if (!next.done && this.#row!.takes(next.value)) this.#pullAgain()
    else this.#end(next)
  }

  readonly #onError = (error: unknown): void => {
    this.hasFailed = true
    this.#settle?.reject(error)
    this.#settle = undefined
  }

  #end(next: IteratorResult<T> | undefined): void {
    this.#settle?.resolve(next)
    this.#settle = undefined
  }

  #awaitTurn(): void {
    this.#isTurnAwaited = true
    setImmediate(() => {
      this.#isTurnAwaited = false
      this.#end(undefined)
    })
  }
}
