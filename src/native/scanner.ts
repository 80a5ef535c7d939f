import { addon, type Handle } from './addon.js'
import { callNative, runJob } from './job.js'
import { formatArguments, type LoadedSignature, type SignatureOptions, signatureHandle } from './signature.js'

/** What a scanner makes of a content, besides its SHA-256. */
export interface ScanOptions extends SignatureOptions {
  /** Bytes to come, if known: decides default lengths. */
  readonly sizeBytes?: number | undefined
  /** Make a signature. */
  readonly sign?: boolean | undefined
  /** Make a delta against it. */
  readonly basis?: LoadedSignature | undefined
}

/** What a scanner has found. */
export interface ScanResult {
  /** The rest of the delta, empty without a basis. */
  readonly delta: Buffer
  readonly sha256: Buffer
  /** Empty if none was asked for. */
  readonly signature: Buffer
  readonly sizeBytes: number
  /** COPY commands of the delta, and the bytes they copy. */
  readonly copies: number
  readonly copiedBytes: number
}

/**
 * One content in one pass: its SHA-256, its signature and its delta.
 * One call at a time: IBT_JOB_BUSY otherwise. After a call that failed or was aborted, and after `finish`, it cannot be
 * used: IBT_NATIVE. Memory: 20 bytes a block, and one block length plus one chunk for the delta.
 */
export interface Scanner {
  /** Takes the next bytes, which must not change until the promise settles; yields the delta so far, empty without a basis. */
  update(chunk: Uint8Array, signal?: AbortSignal): Promise<Buffer>
  /** No more bytes come: the rest of the delta, and all that was found. */
  finish(signal?: AbortSignal): Promise<ScanResult>
}

const SUBJECT = { action: 'scan' }

class NativeScanner implements Scanner {
  readonly #handle: Handle<'scanner'>

  constructor(options: ScanOptions) {
    const { sizeBytes = -1, sign = false, basis } = options
    const handle = basis === undefined ? undefined : signatureHandle(basis)
    const format = formatArguments(options)
    this.#handle = callNative(SUBJECT, () => addon().createScanner(sizeBytes, sign, ...format, handle))
  }

  update(chunk: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
    return runJob(SUBJECT, signal, token => addon().scannerUpdate(this.#handle, chunk, token))
  }

  finish(signal?: AbortSignal): Promise<ScanResult> {
    return runJob(SUBJECT, signal, token => addon().scannerFinish(this.#handle, token))
  }
}

/** Makes a scanner. @throws TypeError, RangeError for a wrong option. */
export function createScanner(options: ScanOptions): Scanner {
  return new NativeScanner(options)
}
