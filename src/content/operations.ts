import { BATCH_BYTES, BATCH_FILES } from '../constants.js'
import { type Operation, type OperationColumns, operate } from '../native.js'
import { encodePath } from '../path.js'

const LEAVE = 0xffffffff
const LEAVE_TIME = -(2n ** 63n)
const NUL = Buffer.alloc(1)

/** One operation on a path below the root; what is undefined stays as it is. */
export interface PathOperation {
  readonly code: (typeof Operation)[keyof typeof Operation]
  readonly path: string
  readonly other?: string | undefined
  readonly mode?: number | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly mtimeNs?: bigint | undefined
  readonly body?: Uint8Array | undefined
}

/** Operations that go to the addon in one job. Memory: the bodies, and one copy of them while the job runs. */
export class OperationBatch {
  readonly #operations: PathOperation[] = []
  #bytes = 0

  get isFull(): boolean {
    return this.#operations.length >= BATCH_FILES || this.#bytes >= BATCH_BYTES
  }

  add(operation: PathOperation): void {
    this.#operations.push(operation)
    this.#bytes += operation.body?.length ?? 0
  }

  /** Does them in order; returns those that failed, with the errno. */
  async run(root: Uint8Array, signal?: AbortSignal): Promise<{ operation: PathOperation; errno: number }[]> {
    if (this.#operations.length === 0) return []
    const errnos = await operate(root, toColumns(this.#operations), signal)
    return this.#operations.map((operation, i) => ({ operation, errno: errnos[i]! })).filter(({ errno }) => errno !== 0)
  }
}

function toColumns(operations: readonly PathOperation[]): OperationColumns {
  const bodies = operations.map(({ body }) => body ?? new Uint8Array(0))
  const offsets = new Float64Array(operations.length + 1)
  for (const [i, body] of bodies.entries()) offsets[i + 1] = offsets[i]! + body.length
  return {
    codes: Uint8Array.from(operations, ({ code }) => code),
    paths: terminated(operations.map(({ path }) => path)),
    others: terminated(operations.map(({ other }) => other ?? '')),
    modes: Uint32Array.from(operations, ({ mode }) => mode ?? LEAVE),
    uids: Uint32Array.from(operations, ({ uid }) => uid ?? LEAVE),
    gids: Uint32Array.from(operations, ({ gid }) => gid ?? LEAVE),
    mtimesNs: BigInt64Array.from(operations, ({ mtimeNs }) => mtimeNs ?? LEAVE_TIME),
    slab: Buffer.concat(bodies),
    offsets
  }
}

function terminated(paths: readonly string[]): Uint8Array {
  return Buffer.concat(paths.flatMap(path => [encodePath(path), NUL]))
}
