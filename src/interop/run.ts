import { isBackupError } from '../errors.js'
import { batchesOf } from '../flow/batches.js'
import { discard } from '../flow/cursor.js'
import { onAbort } from '../flow/on-abort.js'
import { type Batched, type BatchSource, batches, type Source } from '../types.js'

/**
 * One run of a pipeline: what its steps share, and its one listener on the caller's signal.
 * The steps get a signal of the run's own: it aborts with the caller's, and when the pipeline has failed or been left.
 */
export class Run {
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #streams: readonly unknown[]
  #stopListening: (() => void) | undefined

  /** `streams`: the foreign ones, which belong to the run: they are destroyed if it fails. */
  constructor(outer: AbortSignal | undefined, streams: readonly unknown[]) {
    this.#outer = outer
    this.#streams = streams
    if (outer?.aborted) this.#controller.abort(outer.reason)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  start(): void {
    this.#stopListening ??= onAbort(this.#outer, reason => this.#controller.abort(reason))
  }

  finish(): void {
    this.#stopListening?.()
  }

  /** Wakes whatever still waits. */
  leave(reason?: unknown): void {
    this.finish()
    this.#controller.abort(reason)
    for (const stream of this.#streams) discard(stream)
  }

  /**
   * Ends the run with an error; returns the one to throw: the reason of an abort, untouched, comes first. Only that a
   * backup may exist in spite of the abort says more.
   */
  fail(error: unknown): unknown {
    this.leave(error)
    if (isBackupError(error) && error.code === 'IBT_OUTCOME_UNKNOWN') return error
    return this.#outer?.aborted ? this.#outer.reason : error
  }
}

/** Waits for a sink, then closes what it has not read to the end. */
export async function settle<R>(result: PromiseLike<R>, input: Source<unknown>, run: Run): Promise<R> {
  run.start()
  try {
    const value = await result
    await closeInput(input, run)
    run.finish()
    return value
  } catch (error) {
    throw run.fail(error)
  }
}

/** At its end the input closes at once; a pull that the sink has left behind is woken. */
async function closeInput(input: Source<unknown>, run: Run): Promise<void> {
  if (!('return' in input) || typeof input.return !== 'function') return
  const leave = setImmediate(() => run.leave())
  try {
    await input.return()
  } finally {
    clearImmediate(leave)
  }
}

/**
 * The items of a pipeline that has no sink. Unlike a generator, it can be left while a pull is under way: a parked
 * source is woken then. Nothing happens before the first pull.
 */
export class Items<T> implements BatchSource<T> {
  readonly #items: AsyncGenerator<T, void, undefined>
  readonly #run: Run
  #pulls = 0
  #isLeft = false

  constructor(items: AsyncGenerator<T, void, undefined>, run: Run) {
    this.#items = items
    this.#run = run
  }

  /** The same items, in batches where the last stage gives such. */
  [batches](): AsyncGenerator<Batched<T>, void, undefined> {
    return new Items(batchesOf(this.#items) as AsyncGenerator<Batched<T>, void, undefined>, this.#run)
  }

  next(): Promise<IteratorResult<T, void>> {
    this.#run.start()
    this.#pulls += 1
    return this.#items.next().then(this.#accept, this.#reject)
  }

  async return(): Promise<IteratorResult<T, void>> {
    this.#isLeft = true
    if (this.#pulls > 0) this.#run.leave()
    await this.#items.return()
    this.#run.leave()
    return { done: true, value: undefined }
  }

  async throw(error: unknown): Promise<IteratorResult<T, void>> {
    this.#isLeft = true
    if (this.#pulls > 0) this.#run.leave(error)
    try {
      return await this.#items.throw(error)
    } catch (thrown) {
      throw this.#run.fail(thrown)
    }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  readonly #accept = (next: IteratorResult<T, void>): IteratorResult<T, void> => {
    this.#pulls -= 1
    if (next.done) this.#run.finish()
    return next
  }

  readonly #reject = (error: unknown): IteratorResult<T, void> => {
    this.#pulls -= 1
    if (this.#isLeft) return { done: true, value: undefined }
    throw this.#run.fail(error)
  }
}
