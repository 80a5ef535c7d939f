import { onAbort } from './abortable.js'
import { createBreather } from './breathe.js'
import { Cursor } from './cursor.js'
import { BackupError } from './errors.js'
import { comparePaths, printPath } from './path.js'
import type { Source } from './types.js'

interface Named {
  readonly path: string
}

export interface MergeOptions {
  /** What the two sources are called in an error. */
  readonly names?: readonly [string, string] | undefined
  /** Breaks off a pull that is under way. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Joins two path-ordered sources in lock-step.
 *
 * Yields a pair for each path of either: what each source has there, or undefined. Path order, checked; each path once
 * in each source. Look-ahead: one item of each source. Memory: constant. Lets timers run when it serves from memory.
 * Closes both sources when it ends early; one that is parked when an abort comes is not waited for.
 *
 * @throws BackupError IBT_OUT_OF_ORDER; the signal's reason; whatever the sources throw.
 */
export async function* mergeByPath<A extends Named, B extends Named>(
  a: Source<A>,
  b: Source<B>,
  options: MergeOptions = {}
): AsyncGenerator<[A | undefined, B | undefined], void, undefined> {
  const { names: [aName, bName] = ['the first source', 'the second source'], signal } = options
  const left = new Ordered(a, aName)
  const right = new Ordered(b, bName)
  const breather = createBreather()
  const stopListening = onAbort(signal, reason => {
    left.cursor.break(reason)
    right.cursor.break(reason)
  })
  try {
    for (;;) {
      if (breather.due()) await breather.pause()
      let arrives = left.advance()
      if (arrives !== undefined) await arrives
      arrives = right.advance()
      if (arrives !== undefined) await arrives
      const order = compare(left.head, right.head)
      if (order === undefined) return
      yield [order <= 0 ? left.take() : undefined, order >= 0 ? right.take() : undefined]
    }
  } finally {
    stopListening()
    await closeBoth(left.cursor, right.cursor)
  }
}

function compare(a: Named | undefined, b: Named | undefined): number | undefined {
  if (a === undefined) return b === undefined ? undefined : 1
  return b === undefined ? -1 : comparePaths(a.path, b.path)
}

async function closeBoth(a: Cursor<unknown>, b: Cursor<unknown>): Promise<void> {
  try {
    await a.close()
  } finally {
    await b.close()
  }
}

/** A source of which the next item can be looked at; its order is checked. */
class Ordered<T extends Named> {
  readonly cursor: Cursor<T>
  readonly #name: string
  #last: string | undefined
  #isDone = false
  head: T | undefined

  constructor(source: Source<T>, name: string) {
    this.cursor = new Cursor(source)
    this.#name = name
  }

  /** Makes `head` the next item, undefined at the end; a promise only where one has to be waited for. */
  advance(): Promise<void> | undefined {
    if (this.head !== undefined || this.#isDone) return undefined
    const pulled = this.cursor.next()
    if (pulled instanceof Promise) return pulled.then(next => this.#accept(next))
    this.#accept(pulled)
    return undefined
  }

  take(): T | undefined {
    const { head } = this
    this.#last = head?.path
    this.head = undefined
    return head
  }

  #accept(next: IteratorResult<T>): void {
    if (next.done) {
      this.#isDone = true
      return
    }
    const { path } = next.value
    const last = this.#last
    if (last !== undefined && comparePaths(last, path) >= 0) {
      const found = `${printPath(path)} comes after ${printPath(last)}`
      throw new BackupError('IBT_OUT_OF_ORDER', `Entry out of path order in ${this.#name}: ${found}`, { path })
    }
    this.head = next.value
  }
}
