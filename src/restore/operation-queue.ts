import { PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { createSequence, NOT_PROVEN, type OperateOptions, Operation, systemError } from '../native.js'
import { printPath } from '../path.js'
import { OperationBatch, type PathOperation } from './operations.js'

/** Errors after which no other write can succeed. */
const FATAL = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])

/** Jobs at a time where nothing is there before: two that write, and one that need not wait for the next. */
const NEW_TREE_JOBS = 3

/** Bodies of jobs that run, unless one alone is larger. */
const RUNNING_BYTES = PART_BYTES
const NO_BYTES = new Uint8Array(0)

export interface OperationQueueOptions {
  /** Nothing is there before: the order is that of a `Sequence`, and several jobs run at a time. */
  readonly isNew: boolean
  /** Called for each entry that an operation failed for. */
  readonly onFailure: (operation: PathOperation, error: BackupError) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Operations below a root, done in order, in jobs of many. Memory: one batch that gathers, and `RUNNING_BYTES`.
 * A call throws what an earlier operation ended the run with: BackupError IBT_WRITE_FAILED where none can succeed.
 */
export class OperationQueue {
  readonly #jobsMax: number
  readonly #operate: OperateOptions
  readonly #free: OperationBatch[] = []
  #batch = new OperationBatch()
  /** Oldest first; one that has failed stays. */
  readonly #running: { readonly done: Promise<void>; readonly bytes: number }[] = []
  #lastFailed: string | undefined

  constructor(
    readonly root: Uint8Array,
    readonly options: OperationQueueOptions
  ) {
    const { isNew, signal } = options
    this.#jobsMax = isNew ? NEW_TREE_JOBS : 1
    this.#operate = { signal, sequence: isNew ? createSequence() : undefined }
  }

  /** A promise only where it has to be waited for. */
  add(operation: PathOperation, body: Uint8Array = NO_BYTES): Promise<void> | undefined {
    if (!this.#batch.hasRoomFor(body)) return this.#next().then(() => this.add(operation, body))
    this.#batch.add(operation, body)
    return this.#batch.isFull ? this.#next() : undefined
  }

  async flush(): Promise<void> {
    await this.#next()
    await this.#settle(0)
  }

  /** Waits for the jobs that run, whatever comes of them: nothing is written any more then. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running.map(({ done }) => done))
  }

  /** Removes what an error left: not in its turn, for an abort ends all that is waiting. */
  async discard(path: string): Promise<void> {
    const batch = new OperationBatch()
    batch.add({ code: Operation.remove, path })
    await this.idle()
    await batch.run(this.root).catch(() => {})
  }

  /** What an operation failed with. @throws it, if no other can succeed */
  fail(operation: PathOperation, cause: Error & { readonly code?: string }): void {
    const path = operation.entryPath ?? operation.path
    const action = operation.code === Operation.remove ? 'remove' : 'write'
    const error = new BackupError('IBT_WRITE_FAILED', `Cannot ${action} ${printPath(path)}`, { path, cause })
    if (FATAL.has(cause.code ?? '')) throw error
    // What was in the way and could not be removed fails twice.
    if (path !== this.#lastFailed) this.options.onFailure(operation, error)
    this.#lastFailed = path
  }

  async #next(): Promise<void> {
    const batch = this.#batch
    await this.#settle(this.#jobsMax - 1, RUNNING_BYTES - batch.bytes)
    this.#batch = this.#free.pop() ?? new OperationBatch()
    const { bytes } = batch
    const done = this.#run(batch, this.#running.at(-1)?.done)
    done.catch(() => {})
    this.#running.push({ done, bytes })
  }

  /** Waits until at most so many jobs run, with so many bytes of bodies. */
  async #settle(jobs: number, bytes = Infinity): Promise<void> {
    for (const { done } of [...this.#running]) {
      const runningBytes = this.#running.reduce((sum, running) => sum + running.bytes, 0)
      if (this.#running.length <= jobs && runningBytes <= bytes) return
      await done
      this.#running.shift()
    }
  }

  async #run(batch: OperationBatch, before: Promise<void> | undefined): Promise<void> {
    const failed = await batch.run(this.root, this.#operate)
    // Two jobs that end together may be heard of in any order.
    if (failed.length > 0) await before
    for (const { operation, errno } of failed) {
      if (errno === NOT_PROVEN) await this.#again(operation)
      else this.fail(operation, systemError(errno, operationName(operation), operation.path))
    }
    this.#free.push(batch)
  }

  /** Throws what is wrong with a body, or writes what is right. */
  async #again(operation: PathOperation): Promise<void> {
    const { again } = operation.proof!
    const batch = new OperationBatch()
    batch.add({ ...operation, proof: undefined }, await again())
    for (const { errno } of await batch.run(this.root, { signal: this.options.signal })) {
      this.fail(operation, systemError(errno, operationName(operation), operation.path))
    }
  }
}

function operationName({ code }: PathOperation): string {
  return Object.entries(Operation).find(([, value]) => value === code)![0]
}
