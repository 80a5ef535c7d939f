import { BackupError } from '../errors.js'
import { Operation, systemError } from '../native.js'
import { printPath } from '../path.js'
import { OperationBatch, type PathOperation } from './operations.js'

/** Errors after which no other write can succeed. */
const FATAL = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])

export interface OperationQueueOptions {
  /** Called for each entry that an operation failed for. */
  readonly onFailure: (operation: PathOperation, error: BackupError) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Operations below a root, done in order, in jobs of many. Memory: two batches, one that runs and one that gathers.
 * A call throws what an earlier operation ended the run with: BackupError IBT_WRITE_FAILED where none can succeed.
 */
export class OperationQueue {
  #batch = new OperationBatch()
  #other = new OperationBatch()
  #running: Promise<void> = Promise.resolve()
  #lastFailed: string | undefined

  constructor(
    readonly root: Uint8Array,
    readonly options: OperationQueueOptions
  ) {}

  /** A promise only where it has to be waited for. */
  add(operation: PathOperation, body?: Uint8Array): Promise<void> | undefined {
    this.#batch.add(operation, body)
    return this.#batch.isFull ? this.#next() : undefined
  }

  async flush(): Promise<void> {
    await this.#next()
    await this.#running
  }

  /** Removes what an error left: not in its turn, for an abort ends all that is waiting. */
  async discard(path: string): Promise<void> {
    const batch = new OperationBatch()
    batch.add({ code: Operation.remove, path })
    await this.#running.catch(() => {})
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
    await this.#running
    this.#start()
  }

  #start(): void {
    const batch = this.#batch
    this.#batch = this.#other
    this.#other = batch
    this.#running = this.#run(batch)
    this.#running.catch(() => {})
  }

  async #run(batch: OperationBatch): Promise<void> {
    for (const { operation, errno } of await batch.run(this.root, this.options.signal)) {
      this.fail(operation, systemError(errno, operationName(operation), operation.path))
    }
  }
}

function operationName({ code }: PathOperation): string {
  return Object.entries(Operation).find(([, value]) => value === code)![0]
}
