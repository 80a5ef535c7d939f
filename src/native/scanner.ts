import { BackupError } from '../errors.js'
import { addon, type Canceller, type Handle } from './addon.js'
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
 * used: IBT_NATIVE. Small chunks are gathered, and scanned while the next ones come.
 * Memory: 20 bytes a block, one block length plus one chunk for the delta, and 2 MiB where chunks are small.
 */
export interface Scanner {
  /** Takes the next bytes, which must not change until the promise settles; yields delta that is made, if any. */
  update(chunk: Uint8Array, signal?: AbortSignal): Promise<Buffer>
  /** As `update` with so many zeros, for a hole: no memory is read, and the sums of a block are computed once. */
  zeros(count: number, signal?: AbortSignal): Promise<Buffer>
  /** No more bytes come: the rest of the delta, and all that was found. */
  finish(signal?: AbortSignal): Promise<ScanResult>
}

const SUBJECT = { action: 'scan' }

/** Blocks are hashed side by side, several in one job: small chunks are gathered, two buffers in turn. */
const GATHERED_BYTES = 1 << 20
/** Chunks from here on are not copied. */
const LARGE_BYTES = 256 << 10

const EMPTY = Buffer.alloc(0)
const NOTHING: Promise<Buffer> = Promise.resolve(EMPTY)

class NativeScanner implements Scanner {
  readonly #handle: Handle<'scanner'>
  #isBusy = false
  #isOver = false
  #gathered: Buffer | undefined
  #gatheredBytes = 0
  #spare: Buffer | undefined
  /** The job on what was gathered before, in the spare buffer. */
  #running = NOTHING

  constructor(options: ScanOptions) {
    const { sizeBytes = -1, sign = false, basis } = options
    const handle = basis === undefined ? undefined : signatureHandle(basis)
    const format = formatArguments(options)
    this.#handle = callNative(SUBJECT, () => addon().createScanner(sizeBytes, sign, ...format, handle))
  }

  update(chunk: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
    return this.#alone(async () => {
      signal?.throwIfAborted()
      if (!isChunk(chunk)) {
        // The addon says why, or that it is empty.
        await this.#running.catch(() => {})
        return this.#call(chunk, signal)
      }
      if (chunk.length < LARGE_BYTES) return this.#gather(chunk, signal)
      const delta = await this.#flush(signal)
      return concat(delta, await this.#scan(chunk, signal))
    })
  }

  zeros(count: number, signal?: AbortSignal): Promise<Buffer> {
    return this.#alone(async () => {
      const delta = await this.#flush(signal)
      return concat(delta, await this.#run(token => addon().scannerZeros(this.#handle, count, token), signal))
    })
  }

  finish(signal?: AbortSignal): Promise<ScanResult> {
    return this.#alone(async () => {
      const delta = await this.#flush(signal)
      this.#isOver = true
      const result = await runJob(SUBJECT, signal, token => addon().scannerFinish(this.#handle, token))
      return { ...result, delta: concat(delta, result.delta) }
    })
  }

  async #alone<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isBusy) throw new BackupError('IBT_JOB_BUSY', 'The scanner is busy: one call at a time')
    if (this.#isOver) throw new BackupError('IBT_NATIVE', 'The scanner has failed or ended')
    this.#isBusy = true
    try {
      return await call()
    } finally {
      this.#isBusy = false
    }
  }

  #scan(chunk: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
    return this.#run(token => addon().scannerUpdate(this.#handle, chunk, token), signal)
  }

  async #run(start: (token: Canceller | undefined) => Promise<Buffer>, signal?: AbortSignal): Promise<Buffer> {
    try {
      return await runJob(SUBJECT, signal, start)
    } catch (error) {
      this.#isOver = true
      throw error
    }
  }

  #call(chunk: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
    return runJob(SUBJECT, signal, token => addon().scannerUpdate(this.#handle, chunk, token))
  }

  async #gather(chunk: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
    this.#gathered ??= Buffer.allocUnsafeSlow(GATHERED_BYTES)
    const room = GATHERED_BYTES - this.#gatheredBytes
    this.#gathered.set(chunk.subarray(0, room), this.#gatheredBytes)
    this.#gatheredBytes += Math.min(room, chunk.length)
    if (this.#gatheredBytes < GATHERED_BYTES) return EMPTY
    const delta = await this.#running
    this.#start(signal)
    return chunk.length > room ? concat(delta, await this.#gather(chunk.subarray(room), signal)) : delta
  }

  /** Scans what was gathered, while the next chunks are. */
  #start(signal?: AbortSignal): void {
    this.#running = this.#scan(this.#gathered!.subarray(0, this.#gatheredBytes), signal)
    this.#running.catch(() => {})
    this.#gatheredBytes = 0
    const scanned = this.#gathered
    this.#gathered = this.#spare
    this.#spare = scanned
  }

  /** The delta of all that was taken. */
  async #flush(signal?: AbortSignal): Promise<Buffer> {
    let delta = await this.#running
    if (this.#gatheredBytes > 0) {
      this.#start(signal)
      delta = concat(delta, await this.#running)
    }
    this.#running = NOTHING
    return delta
  }
}

/** Of memory that stays as it is: the addon takes no other. */
function isChunk(chunk: unknown): boolean {
  if (!(chunk instanceof Uint8Array) || chunk.length === 0) return false
  return chunk.buffer instanceof ArrayBuffer && (chunk.buffer as { resizable?: boolean }).resizable !== true
}

function concat(start: Buffer, end: Buffer): Buffer {
  if (start.length === 0) return end
  return end.length === 0 ? start : Buffer.concat([start, end])
}

/** Makes a scanner. @throws TypeError, RangeError for a wrong option. */
export function createScanner(options: ScanOptions): Scanner {
  return new NativeScanner(options)
}
