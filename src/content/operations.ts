import { BATCH_BYTES, BATCH_FILES } from '../constants.js'
import {
  encodeXattrs,
  LEAVE,
  LEAVE_TIME,
  type Operation,
  type OperationColumns,
  operate,
  type Xattrs
} from '../native.js'
import { encodePath } from '../path.js'

const NUL = Buffer.alloc(1)
const NO_BYTES = new Uint8Array(0)

/** One operation on a path below the root; what is undefined stays as it is. */
export interface PathOperation {
  readonly code: (typeof Operation)[keyof typeof Operation]
  readonly path: string
  readonly other?: string | undefined
  readonly mode?: number | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly mtimeNs?: bigint | undefined
  readonly devMajor?: number | undefined
  readonly devMinor?: number | undefined
  readonly xattrs?: Xattrs | undefined
  readonly body?: Uint8Array | undefined
  /** The entry that it is done for, if that has another path. */
  readonly entryPath?: string | undefined
  /** The hard-link group whose first member it makes. */
  readonly link?: number | undefined
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
  const bodies = operations.map(({ body }) => body ?? NO_BYTES)
  const xattrs = operations.map(({ xattrs }) => (xattrs === undefined ? NO_BYTES : encodeXattrs(xattrs)))
  return {
    codes: Uint8Array.from(operations, ({ code }) => code),
    paths: terminated(operations.map(({ path }) => path)),
    others: terminated(operations.map(({ other }) => other ?? '')),
    modes: Uint32Array.from(operations, ({ mode }) => mode ?? LEAVE),
    uids: Uint32Array.from(operations, ({ uid }) => uid ?? LEAVE),
    gids: Uint32Array.from(operations, ({ gid }) => gid ?? LEAVE),
    mtimesNs: BigInt64Array.from(operations, ({ mtimeNs }) => toTimeColumn(mtimeNs)),
    devMajors: Uint32Array.from(operations, ({ devMajor }) => devMajor ?? 0),
    devMinors: Uint32Array.from(operations, ({ devMinor }) => devMinor ?? 0),
    xattrs: Buffer.concat(xattrs),
    xattrOffsets: offsetsOf(xattrs),
    slab: Buffer.concat(bodies),
    offsets: offsetsOf(bodies)
  }
}

const LAST_TIME = 2n ** 63n - 1n

/** A tar from elsewhere may hold times that 64 bits of nanoseconds do not reach (1677 to 2262): the nearest, then. */
function toTimeColumn(ns: bigint | undefined): bigint {
  if (ns === undefined) return LEAVE_TIME
  return ns > LAST_TIME ? LAST_TIME : ns < -LAST_TIME ? -LAST_TIME : ns
}

function offsetsOf(parts: readonly Uint8Array[]): Float64Array {
  const offsets = new Float64Array(parts.length + 1)
  for (const [i, { length }] of parts.entries()) offsets[i + 1] = offsets[i]! + length
  return offsets
}

function terminated(paths: readonly string[]): Uint8Array {
  return Buffer.concat(paths.flatMap(path => [encodePath(path), NUL]))
}
