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
      const next = row === undefined ? await pulls.next() : await pulls.atHand()
      if (next === undefined || next.done || !row?.takes(next.value)) {
        if (row !== undefined) yield row.batch.slice(row.begin, row.end)
        row = undefined
        if (next?.done) {
          isDone = true
          return
        }
        if (next === undefined) continue
        row = rowOf(next.value)
        if (row === undefined) yield next.value
      }
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
  #onTurn: (() => void) | undefined

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

  /** Undefined if the next item is not at hand: then it is still being pulled. */
  atHand(): Promise<IteratorResult<T> | undefined> {
    const pull = (this.#pull ??= this.iterator.next())
    return new Promise((resolve, reject) => {
      let isLeft = false
      this.#onTurn = () => {
        isLeft = true
        resolve(undefined)
      }
      if (!this.#isTurnAwaited) this.#awaitTurn()
      pull.then(
        next => {
          // One that was left is asked for again.
          if (isLeft) return
          this.#onTurn = this.#pull = undefined
          resolve(next)
        },
        error => {
          this.hasFailed = true
          reject(error)
        }
      )
    })
  }

  #awaitTurn(): void {
    this.#isTurnAwaited = true
    setImmediate(() => {
      this.#isTurnAwaited = false
      this.#onTurn?.()
    })
  }
}
