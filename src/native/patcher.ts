import { addon, type Handle } from './addon.js'
import { callNative, runJob } from './job.js'
import { allocateBytes } from './memory.js'

/**
 * Applies a delta piece by piece. The basis is a descriptor that can be read at any position, or bytes.
 * One call at a time: IBT_JOB_BUSY otherwise. After a call that failed or was aborted it cannot be used: IBT_NATIVE.
 * Memory: the piece that was pushed and the output that was pulled.
 */
export interface Patcher {
  /** Takes a copy of the next bytes of the delta. Call `pull` until it is empty before the next: IBT_JOB_BUSY otherwise. */
  push(delta: Uint8Array): void
  /**
   * Up to `maxBytes` of output; empty: push more; null: the delta has ended.
   * @throws BackupError IBT_BAD_MAGIC, IBT_DELTA_CORRUPT, IBT_BASIS_MISMATCH, IBT_READ_FAILED (of the basis)
   */
  pull(maxBytes: number, signal?: AbortSignal): Promise<Buffer | null>
  /** No more delta comes. @throws BackupError IBT_INPUT_ENDED if its END was not seen. */
  end(): void
}

/** What comes next in the output of a `BlockPatcher`. */
export interface Need {
  /**
   * `give`: a part of the basis with the byte at `position` has to be given. `copy`: the bytes of the basis at `position`
   * are left to the caller, who has them; `literal`: those at `position` of the piece of the delta that was pushed last.
   */
  readonly kind: 'give' | 'copy' | 'literal'
  readonly position: number
  /** Bytes that the command still makes. */
  readonly length: number
}

/**
 * A patcher that is given parts of its basis as it needs them. The bytes of long commands, which the caller has already,
 * do not go through it. What `pull` gives ends also where something is needed: see `needs`.
 * Memory: beside that of `Patcher`, its cache of parts.
 */
export interface BlockPatcher extends Patcher {
  readonly needs: Need | undefined
  /** Takes a copy of a part of the basis. */
  give(start: number, bytes: Uint8Array): void
  /** The caller has made so many of the bytes that are left to it. @throws RangeError for more */
  skip(length: number): void
}

/** By the addon's number. */
const KINDS = ['give', 'copy', 'literal'] as const
const SUBJECT = { action: 'read basis' }

class NativePatcher implements BlockPatcher {
  readonly #handle: Handle<'patcher'>
  readonly #basis: number | Uint8Array | undefined

  constructor(basis: number | Uint8Array | undefined, cacheBytes = 0) {
    this.#basis = basis instanceof Uint8Array ? copyOf(basis) : basis
    this.#handle = callNative(SUBJECT, () => addon().createPatcher(cacheBytes))
  }

  get needs(): BlockPatcher['needs'] {
    const needs = callNative(SUBJECT, () => addon().patcherNeeds(this.#handle))
    return needs && { kind: KINDS[needs[0]]!, position: needs[1], length: needs[2] }
  }

  give(start: number, bytes: Uint8Array): void {
    callNative(SUBJECT, () => addon().patcherGive(this.#handle, start, bytes))
  }

  skip(length: number): void {
    callNative(SUBJECT, () => addon().patcherSkip(this.#handle, length))
  }

  push(delta: Uint8Array): void {
    callNative(SUBJECT, () => addon().patcherPush(this.#handle, delta))
  }

  pull(maxBytes: number, signal?: AbortSignal): Promise<Buffer | null> {
    return runJob(SUBJECT, signal, token => addon().patcherPull(this.#handle, this.#basis, maxBytes, token))
  }

  end(): void {
    callNative(SUBJECT, () => addon().patcherEnd(this.#handle))
  }
}

/** Once, and not for every pull. */
function copyOf(basis: Uint8Array): Uint8Array {
  const copy = allocateBytes(basis.length)
  copy.set(basis)
  return copy
}

/** Makes a patcher. Bytes of a basis are copied. @throws TypeError for a wrong basis. */
export function createPatcher(basis: number | Uint8Array): Patcher {
  if (!(basis instanceof Uint8Array) && !(Number.isInteger(basis) && basis >= 0)) {
    throw new TypeError('basis is neither a descriptor nor a Uint8Array')
  }
  return new NativePatcher(basis)
}

/** Makes a patcher that keeps up to `cacheBytes` of the parts of its basis that it was given. */
export function createBlockPatcher(cacheBytes: number): BlockPatcher {
  return new NativePatcher(undefined, cacheBytes)
}

/**
 * Applies a whole delta in memory, in one job. Both must not change until the promise settles.
 * @throws BackupError IBT_DELTA_CORRUPT also if the output would exceed `maxBytes`; else as `Patcher`.
 */
export function patchBytes(
  basis: Uint8Array,
  delta: Uint8Array,
  maxBytes: number,
  signal?: AbortSignal
): Promise<Buffer> {
  return runJob({ action: 'patch' }, signal, token => addon().patchBytes(basis, delta, maxBytes, token))
}
