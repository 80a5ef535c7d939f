import { CHUNKS_AHEAD, PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import type { Memory } from '../flow/memory.js'
import { prefetch } from '../flow/prefetch.js'
import { isHole } from '../format/sparse-map.js'
import { createScanner, type LoadedSignature, type Scanner } from '../native.js'
import { printPath } from '../path.js'
import type { Body, Change, Extent, Source, Summary } from '../types.js'
import { type Policy, sigvaultBlockLen } from './policy.js'
import type { SettleContext } from './settle.js'

/** What all contents of one run are signed with. */
export interface SignContext extends SettleContext {
  /** Where chunks come from, if not from fresh memory. */
  readonly memory?: Memory | undefined
}

/** What a second look at a file says of the bytes that were read between. */
export interface Look {
  readonly dirty: boolean
  readonly racy: boolean
}

/** A content on its way, and what is known of it beside its bytes. */
export interface Input {
  readonly chunks: Source<Uint8Array>
  /** Looks at the file again. */
  readonly look?: () => Promise<Look>
  readonly extents?: readonly Extent[] | undefined
}

/** Of a content of unknown size a signature is made: it may turn out large. */
export function scanOptions(sizeBytes: number | undefined, policy: Policy) {
  const sign = sizeBytes === undefined || sizeBytes >= policy.signedMinBytes
  return { sizeBytes, sign, blockLen: sigvaultBlockLen(sizeBytes, policy), strongLen: policy.strongLen }
}

/** A content on its way from where it is read into an archive; never whole in memory. */
export class StreamBody implements Body {
  readonly form: Body['form']
  readonly sizeBytes: number | undefined
  readonly extents: readonly Extent[] | undefined
  readonly parts: AsyncGenerator<Uint8Array>
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
    this.#scanner = createScanner({ ...scanOptions(item.sizeBytes, context.policy), basis })
    const parts = basis === undefined ? this.#whole() : this.#delta()
    // A source that is no file may never answer: who is done with it must not wait for what was pulled ahead.
    const isAhead = basis === undefined && input.look !== undefined
    this.parts = isAhead ? prefetch(parts, CHUNKS_AHEAD) : parts
  }

  get isBroken(): boolean {
    return this.#error !== undefined
  }

  result(): Summary {
    if (this.#summary === undefined) throw new TypeError('result() comes after the last part')
    return this.#summary
  }

  async *#whole(): AsyncGenerator<Uint8Array> {
    let left = this.sizeBytes!
    for await (const chunk of this.#read()) {
      left -= chunk.length
      await this.#scan(chunk)
      yield chunk
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

  async *#delta(): AsyncGenerator<Uint8Array> {
    let part: Buffer[] = []
    let partBytes = 0
    for await (const chunk of this.#read()) {
      let delta = await this.#scan(chunk)
      this.context.memory?.done(chunk)
      while (partBytes + delta.length >= PART_BYTES) {
        const room = PART_BYTES - partBytes
        yield Buffer.concat([...part, delta.subarray(0, room)])
        delta = delta.subarray(room)
        part = []
        partBytes = 0
      }
      if (delta.length > 0) part.push(delta)
      partBytes += delta.length
    }
    part.push(await this.#finish())
    for (let rest = Buffer.concat(part); rest.length > 0; rest = rest.subarray(PART_BYTES))
      yield rest.subarray(0, PART_BYTES)
  }

  #scan(chunk: Uint8Array): Promise<Buffer> {
    const { signal } = this.context
    return isHole(chunk) ? this.#scanner.zeros(chunk.length, signal) : this.#scanner.update(chunk, signal)
  }

  /**
   * The chunks up to the declared size. An error ends them and is kept: the archive must go on. Whether there is more
   * tells the second look at a file; what is no file is asked for it.
   */
  async *#read(): AsyncGenerator<Uint8Array> {
    let left = this.sizeBytes ?? Infinity
    try {
      for await (const chunk of this.input.chunks) {
        const taken = chunk.length > left ? chunk.subarray(0, left) : chunk
        left -= taken.length
        if (taken.length > 0) yield taken
        if (taken.length < chunk.length) this.#isCut = true
        if (this.#isCut || (left === 0 && this.input.look !== undefined)) return
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
    const { delta, sha256, signature, sizeBytes, copies } = await this.#scanner.finish(this.context.signal)
    const look = await this.input.look?.().catch(cause => this.#fail(cause))
    this.#summary = {
      sizeBytes,
      sha256: sha256.toString('hex'),
      signature: signature.length === 0 ? undefined : signature,
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
  return body instanceof StreamBody && body.isBroken
}
