import { PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import {
  createSequence,
  NOT_PROVEN,
  type OperateOptions,
  Operation,
  SPARED,
  systemError,
  type Unset
} from '../native.js'
import { printPath } from '../path.js'
import { type BatchResult, OperationBatch, type PathOperation } from './operations.js'

/** Errors of a content after which no other write can succeed. */
const FATAL = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])

/** Jobs at a time in a new tree: two that write, and one more, so that no thread waits for its next job. */
const NEW_TREE_JOBS = 3

/** Bytes of bodies in running jobs, at most, except that one body alone may be larger. */
const RUNNING_BYTES = PART_BYTES
const NO_BYTES = new Uint8Array(0)

/** Is told of every operation what became of it, in order. */
export interface OperationObserver {
  onDone(operation: PathOperation): void
  /** Some metadata could not be set; whether the operation was done is told separately, afterwards. */
  onUnset(operation: PathOperation, unset: readonly Unset[]): void
  /** What would have been removed or replaced is at or behind a mount point. */
  onSpared(operation: PathOperation): void
  onFailed(operation: PathOperation, error: BackupError): void
}

export interface OperationQueueOptions {
  /** The destination is new: the order is that of a `Sequence`, and several jobs run at a time. */
  readonly isNew: boolean
  /** Whether files are given the owners in their metadata. */
  readonly setsOwner: boolean
  readonly observer: OperationObserver
  readonly signal: AbortSignal | undefined
}

/**
 * Operations below a root, done in order, in jobs of many. Memory: one batch that is being filled, and `RUNNING_BYTES`.
 * A call throws the error with which an earlier operation ended the run: BackupError IBT_WRITE_FAILED if no other write
 * can succeed.
 */
export class OperationQueue {
  readonly #jobsMax: number
  readonly #operate: OperateOptions
  readonly #free: OperationBatch[] = []
  #batch = new OperationBatch()
  /** Oldest first. A job that has failed stays in the list. */
  readonly #running: { readonly done: Promise<void>; readonly bytes: number }[] = []

  constructor(
    readonly root: number,
    readonly options: OperationQueueOptions
  ) {
    const { isNew, setsOwner, signal } = options
    this.#jobsMax = isNew ? NEW_TREE_JOBS : 1
    this.#operate = { signal, setsOwner, sequence: isNew ? createSequence() : undefined }
  }

  /** Returns a promise only if the caller has to wait. */
  add(operation: PathOperation, body: Uint8Array = NO_BYTES): Promise<void> | undefined {
    if (!this.#batch.hasRoomFor(body)) return this.#next().then(() => this.add(operation, body))
    this.#batch.add(operation, body)
    return this.#batch.isFull ? this.#next() : undefined
  }

  async flush(): Promise<void> {
    await this.#next()
    await this.#wait(0)
  }

  /** Waits until all running jobs have stopped, whether they succeed or not: nothing is written any more afterwards. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running.map(({ done }) => done))
  }

  /** Removes a file that an error left behind. */
  discard(path: string): Promise<void> {
    return this.#afterError({ code: Operation.unlink, path })
  }

  /** Renames a file that an error left behind. */
  keep(path: string, other: string): Promise<void> {
    return this.#afterError({ code: Operation.rename, path, other })
  }

  /** It does not queue: an abort ends everything that is queued. */
  async #afterError(operation: PathOperation): Promise<void> {
    const batch = new OperationBatch()
    batch.add(operation)
    await this.idle()
    await batch.run(this.root).catch(() => {})
  }

  /** Reports an operation that failed. @throws BackupError IBT_WRITE_FAILED if no other can succeed */
  fail(operation: PathOperation, cause: Error & { readonly code?: string }): void {
    const error = toBackupError(operation, cause)
    const isContent = operation.restoration !== undefined && operation.code !== Operation.setMetadata
    if (isContent && FATAL.has(cause.code ?? '')) throw error
    this.options.observer.onFailed(operation, error)
  }

  async #next(): Promise<void> {
    const batch = this.#batch
    await this.#wait(this.#jobsMax - 1, RUNNING_BYTES - batch.bytes)
    this.#batch = this.#free.pop() ?? new OperationBatch()
    const { bytes } = batch
    const done = this.#run(batch, this.#running.at(-1)?.done)
    done.catch(() => {})
    this.#running.push({ done, bytes })
  }

  /** Waits until at most `jobs` jobs run, with `bytes` bytes of bodies. */
  async #wait(jobs: number, bytes = Infinity): Promise<void> {
    for (const { done } of [...this.#running]) {
      const runningBytes = this.#running.reduce((sum, running) => sum + running.bytes, 0)
      if (this.#running.length <= jobs && runningBytes <= bytes) return
      await done
      this.#running.shift()
    }
  }

  async #run(batch: OperationBatch, before: Promise<void> | undefined): Promise<void> {
    const result = await batch.run(this.root, this.#operate)
    // Jobs that end together may report in any order.
    await before
    await this.#report(result)
    this.#free.push(batch)
  }

  async #report({ operations, shortfalls }: BatchResult): Promise<void> {
    let next = 0
    for (const operation of operations) {
      if (shortfalls[next]?.operation !== operation) this.options.observer.onDone(operation)
      else {
        const { errno, unset } = shortfalls[next++]!
        if (errno === NOT_PROVEN) await this.#again(operation)
        else this.#reportOne(operation, errno, unset)
      }
    }
  }

  #reportOne(operation: PathOperation, errno: number, unset: readonly Unset[]): void {
    const { observer } = this.options
    if (errno === SPARED) observer.onSpared(operation)
    else if (errno !== 0) this.fail(operation, systemError(errno, operationName(operation), operation.path))
    else {
      observer.onUnset(operation, unset)
      observer.onDone(operation)
    }
  }

  /** The body was wrong: throws the error that says why, or writes it if it is right now. */
  async #again(operation: PathOperation): Promise<void> {
    const { again } = operation.proof!
    const batch = new OperationBatch()
    batch.add({ ...operation, proof: undefined }, await again())
    await this.#report(await batch.run(this.root, { ...this.#operate, sequence: undefined }))
  }
}

/** Takes operations for done, and does none. */
export class DryQueue extends OperationQueue {
  override add(operation: PathOperation): undefined {
    this.options.observer.onDone(operation)
  }
}

function toBackupError(operation: PathOperation, cause: Error & { readonly code?: string }): BackupError {
  const path = operation.restoration?.entry.path ?? operation.path
  if (operation.code === Operation.removeOne && cause.code === 'ENOTEMPTY') {
    const message = `Cannot write ${printPath(path)}: a directory that is not empty is in its place; only delete (--delete) removes it`
    return new BackupError('IBT_WRITE_FAILED', message, { path, cause })
  }
  const action = operation.restoration === undefined ? 'remove' : 'write'
  return new BackupError('IBT_WRITE_FAILED', `Cannot ${action} ${printPath(path)}`, { path, cause })
}

function operationName({ code }: PathOperation): string {
  return Object.entries(Operation).find(([, value]) => value === code)![0]
}
