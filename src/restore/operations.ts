import { BATCH_BYTES, BATCH_FILES, BATCHED_FILE_BYTES } from '../constants.js'
import {
  encodeXattrs,
  LEAVE,
  LEAVE_TIME,
  type Operated,
  type OperateOptions,
  type Operation,
  type OperationColumns,
  operate,
  type Unset,
  type Xattrs
} from '../native.js'
import { encodePath } from '../path.js'
import type { Restoration } from './restored.js'

const NUL = Buffer.alloc(1)
/** Of a SHA-256. */
const DIGEST_BYTES = 32
const NO_BYTES = new Uint8Array(0)
const NO_METADATA: OperationMetadata = {}

/** What an operation sets. A field that is undefined stays as it is. */
export interface OperationMetadata {
  readonly mode?: number | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly mtimeNs?: bigint | undefined
  readonly devMajor?: number | undefined
  readonly devMinor?: number | undefined
  readonly xattrs?: Xattrs | undefined
}

/** One operation on a path below the root. */
export interface PathOperation {
  readonly code: (typeof Operation)[keyof typeof Operation]
  readonly path: string
  readonly other?: string | undefined
  readonly metadata?: OperationMetadata | undefined
  /** The entry that it is done for. */
  readonly restoration?: Restoration | undefined
  /** With this operation the entry is in the destination. */
  readonly completes?: boolean | undefined
  /** It deletes something that the backup does not have. */
  readonly deletes?: boolean | undefined
  /** The hard-link group whose first member it makes. */
  readonly link?: number | undefined
  /** Of a body that is proven before it is written. */
  readonly proof?: Proof | undefined
}

export interface Proof {
  /** The SHA-256 that the body must have, in hex. */
  readonly sha256: string
  /** Called if the body is wrong: gives the proven body, or fails with an error that says what is wrong. */
  readonly again: () => Promise<Uint8Array>
}

/** An operation that was not done, or left out something of its metadata. */
export interface Shortfall {
  readonly operation: PathOperation
  /** 0 (done), an error number, `NOT_PROVEN` or `SPARED`. */
  readonly errno: number
  readonly unset: readonly Unset[]
}

/** What became of a batch of operations. */
export interface BatchResult {
  readonly operations: readonly PathOperation[]
  /** In the order of the operations. */
  readonly shortfalls: readonly Shortfall[]
}

/** Operations that go to the addon in one job. It can be filled again afterwards. Memory: a copy of the bodies, except for a large one. */
export class OperationBatch {
  readonly #operations: PathOperation[] = []
  /** Where bodies end. */
  readonly #ends: number[] = []
  #slab = NO_BYTES
  /** The only body of the batch, which is not copied. */
  #large: Uint8Array | undefined
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  get isFull(): boolean {
    return this.#operations.length >= BATCH_FILES || this.#bytes >= BATCH_BYTES || this.#large !== undefined
  }

  /** A large body must be the only one. */
  hasRoomFor(body: Uint8Array): boolean {
    return this.#bytes === 0 || body.length <= BATCHED_FILE_BYTES
  }

  /** Call it only if the batch is not full and has room. */
  add(operation: PathOperation, body: Uint8Array = NO_BYTES): void {
    if (body.length > BATCHED_FILE_BYTES) this.#large = body
    else if (body.length > 0) {
      if (this.#slab.length === 0) this.#slab = Buffer.allocUnsafeSlow(BATCH_BYTES + BATCHED_FILE_BYTES)
      this.#slab.set(body, this.#bytes)
    }
    this.#bytes += body.length
    this.#ends.push(this.#bytes)
    this.#operations.push(operation)
  }

  /** Does the operations as `operate` does, and empties the batch. */
  async run(root: number, options?: OperateOptions): Promise<BatchResult> {
    if (this.#operations.length === 0) return { operations: [], shortfalls: [] }
    const operations = this.#operations.splice(0)
    const slab = this.#large ?? this.#slab.subarray(0, this.#bytes)
    const offsets = Float64Array.of(0, ...this.#ends.splice(0))
    const operated = await operate(root, { ...toColumns(operations), slab, offsets }, options)
    this.#large = undefined
    this.#bytes = 0
    return { operations, shortfalls: toShortfalls(operations, operated) }
  }
}

function toShortfalls(operations: readonly PathOperation[], { errnos, unset }: Operated): Shortfall[] {
  if (unset.length === 0 && errnos.every(errno => errno === 0)) return []
  const unsetOf = operations.map((): Unset[] => [])
  for (const part of unset) unsetOf[part.operation]!.push(part)
  return operations
    .map((operation, i) => ({ operation, errno: errnos[i]!, unset: unsetOf[i]! }))
    .filter(({ errno, unset }) => errno !== 0 || unset.length > 0)
}

function toColumns(operations: readonly PathOperation[]): Omit<OperationColumns, 'slab' | 'offsets'> {
  const { length } = operations
  const columns = {
    codes: new Uint8Array(length),
    modes: new Uint32Array(length),
    uids: new Uint32Array(length),
    gids: new Uint32Array(length),
    mtimesNs: new BigInt64Array(length),
    devMajors: new Uint32Array(length),
    devMinors: new Uint32Array(length),
    digests: Buffer.alloc(length * DIGEST_BYTES)
  }
  for (let i = 0; i < length; i++) {
    const { code, metadata = NO_METADATA, proof } = operations[i]!
    const { mode = LEAVE, uid = LEAVE, gid = LEAVE, mtimeNs, devMajor = 0, devMinor = 0 } = metadata
    columns.codes[i] = code
    columns.modes[i] = mode
    columns.uids[i] = uid
    columns.gids[i] = gid
    columns.mtimesNs[i] = toTimeColumn(mtimeNs)
    columns.devMajors[i] = devMajor
    columns.devMinors[i] = devMinor
    if (proof !== undefined) columns.digests.write(proof.sha256, i * DIGEST_BYTES, 'hex')
  }
  const xattrs = operations.map(({ metadata }) => (metadata?.xattrs ? encodeXattrs(metadata.xattrs) : NO_BYTES))
  return {
    ...columns,
    paths: terminated(operations.map(({ path }) => path)),
    others: terminated(operations.map(({ other }) => other ?? '')),
    xattrs: Buffer.concat(xattrs),
    xattrOffsets: offsetsOf(xattrs)
  }
}

const LAST_TIME = 2n ** 63n - 1n

/** A foreign tar may hold times outside 64 bits of nanoseconds (1677 to 2262): those become the nearest time inside. */
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
  const text = `${paths.join('\0')}\0`
  return text.isWellFormed() ? Buffer.from(text) : Buffer.concat(paths.flatMap(path => [encodePath(path), NUL]))
}
