import { CHUNKS_AHEAD, PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { batchesOf, isBatch, toBatch, toBatchSource } from '../flow/batches.js'
import type { Pool } from '../flow/memory.js'
import { prefetch } from '../flow/prefetch.js'
import { isHole } from '../format/sparse-map.js'
import { createScanner, digestSignature, type LoadedSignature, type Scanner } from '../native.js'
import { printPath } from '../path.js'
import type { Batch, Batched, Body, Change, Extent, Look, Source, Summary, WholeReason } from '../types.js'
import type { DecideContext } from './decide-body.js'
import { MappedBody } from './mapped-body.js'
import { type Policy, sigvaultBlockLen } from './policy.js'

/** What all contents of one run are signed with. */
export interface SignContext extends DecideContext {
  /** Where memory to read into comes from. */
  readonly pool: Pool
  /** Hears of bytes that were read. */
  readonly onRead?: ((path: string, bytes: number) => void) | undefined
}

/** A content on its way, and what is known of it beside its bytes. */
export interface Input {
  readonly chunks: Source<Uint8Array>
  /** Looks at the file again. */
  readonly look?: (() => Promise<Look>) | undefined
  /** It is a file, of which the second look tells whether there is more than its size. */
  readonly isWhole?: boolean | undefined
  readonly extents?: readonly Extent[] | undefined
  /** Why there is no basis. */
  readonly reason?: WholeReason | undefined
}

/** Of a content of unknown size a signature is made: it may turn out large. */
export function scanOptions(sizeBytes: number | undefined, policy: Policy) {
  const sign = sizeBytes === undefined || sizeBytes >= policy.signedMinBytes
  return { sizeBytes, sign, blockLen: sigvaultBlockLen(sizeBytes, policy), strongLen: policy.strongLen }
}

interface LeasedBytes {
  readonly bytes: Uint8Array
  readonly lease: Batch<Uint8Array> | undefined
}

/** A content on its way from where it is read into an archive; never whole in memory. */
export class StreamBody implements Body {
  readonly form: Body['form']
  readonly sizeBytes: number | undefined
  readonly extents: readonly Extent[] | undefined
  readonly reason: WholeReason | undefined
  readonly parts: Source<Uint8Array>
  readonly #scanner: Scanner
  #summary: Summary | undefined
  #error: BackupError | undefined
  #isCut = false

  constructor(
    readonly item: Change,
    readonly input: Input,
    basis: LoadedSignature | undefined,
    readonly context: SignContext
  ) {
    this.form = basis === undefined ? 'whole' : 'delta'
    this.sizeBytes = item.sizeBytes
    this.extents = basis === undefined ? input.extents : undefined
    this.reason = input.reason
    this.#scanner = createScanner({ ...scanOptions(item.sizeBytes, context.policy), basis })
    const parts = basis === undefined ? this.#whole() : this.#delta()
    // A source that is no file may never answer: who is done with it must not wait for what was pulled ahead.
    const isAhead = basis === undefined && input.isWhole === true
    this.parts = toBatchSource(() => (isAhead ? prefetch(parts, CHUNKS_AHEAD) : parts))
  }

  get isBroken(): boolean {
    return this.#error !== undefined
  }

  result(): Summary {
    if (this.#summary === undefined) throw new TypeError('result() comes after the last part')
    return this.#summary
  }

  async *#whole(): AsyncGenerator<Batched<Uint8Array>, void, undefined> {
    let left = this.sizeBytes!
    for await (const { bytes, lease } of this.#read()) {
      left -= bytes.length
      await this.#scan(bytes)
      yield lease === undefined ? bytes : toBatch([bytes], lease)
    }
    if (left > 0) this.#isCut = true
    while (left > 0) {
      const zeros = Buffer.alloc(Math.min(left, PART_BYTES))
      left -= zeros.length
      await this.#scanner.zeros(zeros.length, this.context.signal)
      yield zeros
    }
    await this.#finish()
  }

  async *#delta(): AsyncGenerator<Batched<Uint8Array>, void, undefined> {
    for await (const { bytes, lease } of this.#read()) {
      const delta = await this.#scan(bytes)
      lease?.release?.()
      if (delta.length > 0) yield delta
    }
    const rest = await this.#finish()
    if (rest.length > 0) yield rest
  }

  #scan(chunk: Uint8Array): Promise<Buffer> {
    const { signal } = this.context
    return isHole(chunk) ? this.#scanner.zeros(chunk.length, signal) : this.#scanner.update(chunk, signal)
  }

  /**
   * The chunks up to the declared size, each with its lease if it is alone in it. An error ends them and is kept: the archive must go on. Whether there is more
   * tells the second look at a file; what is no file is asked for it.
   */
  async *#read(): AsyncGenerator<LeasedBytes, void, undefined> {
    let left = this.sizeBytes ?? Infinity
    try {
      for await (const item of batchesOf(this.input.chunks)) {
        const lease = isBatch(item) ? item : undefined
        for (const chunk of isBatch(item) ? item : [item]) {
          const bytes = chunk.length > left ? chunk.subarray(0, left) : chunk
          left -= bytes.length
          if (bytes.length > 0) yield { bytes, lease }
          if (bytes.length < chunk.length) this.#isCut = true
          if (this.#isCut || (left === 0 && this.input.isWhole)) return
        }
      }
    } catch (cause) {
      if (this.context.signal?.aborted) throw cause
      this.#fail(cause)
    }
  }

  #fail(cause: unknown): undefined {
    const { path } = this.item
    this.#error = new BackupError('IBT_READ_FAILED', `Cannot read ${printPath(path)} to its end`, { path, cause })
  }

  async #finish(): Promise<Buffer> {
    const { maps, policy, signal } = this.context
    const { delta, sha256, signature, sizeBytes, copies } = await this.#scanner.finish(signal)
    const isSigned = signature.length > 0
    const { blockLen } = scanOptions(this.sizeBytes, policy)
    const look = await this.input.look?.().catch(cause => this.#fail(cause))
    this.#summary = {
      sizeBytes,
      sha256: sha256.toString('hex'),
      signature: isSigned ? signature : undefined,
      signatureDigest: maps && isSigned ? digestSignature(signature, { ...policy, blockLen }) : undefined,
      copies,
      dirty: this.#isCut || look?.dirty || undefined,
      racy: look?.racy || undefined,
      error: this.#error
    }
    return delta
  }
}

/** Whether the reading of a body broke off: known when its last part has been taken. */
export function isBroken(body: Body | undefined): boolean {
  return (body instanceof StreamBody || body instanceof MappedBody) && body.isBroken
}
