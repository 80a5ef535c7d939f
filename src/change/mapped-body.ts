import { CHUNK_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { untilAbort } from '../flow/abortable.js'
import { prefetch } from '../flow/prefetch.js'
import { copyCommand, deltaEnd, deltaMagic, literalCommand } from '../format/delta.js'
import { SignatureBytes } from '../format/signature.js'
import { createScanner, digestSignature } from '../native.js'
import { printPath } from '../path.js'
import type { Body, Change, Look, MapUse, ReadRange, Source, Summary } from '../types.js'
import type { TouchedBlocks, TouchedRange } from './touched-blocks.js'

/** A content of which bytes can be read anywhere. */
export interface Ranges {
  readonly read: ReadRange
  /** Looks at the file again. */
  readonly look?: (() => Promise<Look>) | undefined
}

/** A content, what of it may have changed, and what is known of its basis. */
export interface Mapped extends Ranges {
  readonly item: Change
  readonly touched: TouchedBlocks
  /** Of the basis. */
  readonly signature: SignatureBytes
}

interface ReadBlocks {
  readonly start: number
  readonly bytes: Uint8Array
}

/**
 * The delta of a content whose source knows what has changed: a block that differs from its sums is a literal, and all
 * else is copied. The signature is the stored one, with new sums for those blocks.
 *
 * A block is taken whole, also where the map has but a part of it: so delta and signature are of the same content even if
 * the map is wrong. Reads nothing but the touched blocks, one read ahead.
 * Memory: both signatures, and three reads of 1 MiB or one block.
 */
export class MappedBody implements Body {
  readonly form = 'delta'
  readonly parts: Source<Uint8Array>
  readonly map: MapUse
  #summary: Summary | undefined
  #error: BackupError | undefined
  #isCut = false

  constructor(
    readonly mapped: Mapped,
    readonly signal: AbortSignal | undefined
  ) {
    this.map = { isUsed: true, readBytes: mapped.touched.readBytes }
    this.parts = this.#delta()
  }

  get isBroken(): boolean {
    return this.#error !== undefined
  }

  result(): Summary {
    if (this.#summary === undefined) throw new TypeError('result() comes after the last part')
    return this.#summary
  }

  async *#delta(): AsyncGenerator<Uint8Array, void, undefined> {
    const { touched, signature: basis } = this.mapped
    const signature = basis.resized(touched.blocks)
    let made = 0
    let copies = 0
    yield deltaMagic()
    for await (const { start, bytes } of prefetch(this.#blocks(), 1)) {
      for (const changed of this.#changed(start, await this.#sums(bytes), signature)) {
        if (changed.start > made) {
          yield copyCommand(made, changed.start - made)
          copies++
        }
        yield literalCommand(changed.end - changed.start)
        yield bytes.subarray(changed.start - start, changed.end - start)
        made = changed.end
      }
    }
    const { sizeBytes } = touched
    if (made < sizeBytes) {
      yield copyCommand(made, sizeBytes - made)
      copies++
    }
    yield deltaEnd()
    await this.#finish(signature, copies)
  }

  /** The blocks that have other sums than those in the basis, in runs: their sums go into the signature. */
  *#changed(start: number, sums: SignatureBytes, signature: SignatureBytes): Generator<TouchedRange, void, undefined> {
    const { blockLen, sizeBytes } = this.mapped.touched
    const first = start / blockLen
    let from: number | undefined
    for (let i = 0; i < sums.blocks; i++) {
      const isChanged = !this.#isInBasis(first + i) || !signature.sums(first + i).equals(sums.sums(i))
      if (isChanged) {
        signature.sums(first + i).set(sums.sums(i))
        from ??= start + i * blockLen
      } else if (from !== undefined) {
        yield { start: from, end: start + i * blockLen }
        from = undefined
      }
    }
    if (from !== undefined) yield { start: from, end: Math.min(start + sums.blocks * blockLen, sizeBytes) }
  }

  /** Whether the basis has a block of the same number and length. */
  #isInBasis(block: number): boolean {
    const { blockLen, basisBytes, sizeBytes } = this.mapped.touched
    return basisBytes === sizeBytes || (block + 1) * blockLen <= Math.min(basisBytes, sizeBytes)
  }

  /** An error ends them and is kept: the archive must go on. */
  async *#blocks(): AsyncGenerator<ReadBlocks, void, undefined> {
    for (const { start, end } of this.mapped.touched.ranges(CHUNK_BYTES)) {
      let bytes: Uint8Array
      try {
        bytes = await this.#read(start, end)
      } catch (cause) {
        if (this.signal?.aborted) throw cause
        this.#fail(cause)
        return
      }
      yield { start, bytes }
    }
  }

  /** What is missing at the end is zeros, as in a content that is read whole. */
  async #read(start: number, end: number): Promise<Uint8Array> {
    const bytes = await untilAbort(Promise.resolve(this.mapped.read(start, end)), this.signal)
    if (!(bytes instanceof Uint8Array)) throw new TypeError('readRange has to resolve to a Uint8Array')
    if (bytes.length === end - start) return bytes
    if (bytes.length > end - start) throw new TypeError(`readRange gave ${bytes.length} bytes of ${end - start}`)
    this.#isCut = true
    const filled = Buffer.alloc(end - start)
    filled.set(bytes)
    return filled
  }

  async #sums(bytes: Uint8Array): Promise<SignatureBytes> {
    const { blockLen, strongLen } = this.mapped.signature
    const scanner = createScanner({ sign: true, blockLen, strongLen, sizeBytes: bytes.length })
    await scanner.update(bytes, this.signal)
    return SignatureBytes.read((await scanner.finish(this.signal)).signature)!
  }

  #fail(cause: unknown): undefined {
    const { path } = this.mapped.item
    this.#error = new BackupError('IBT_READ_FAILED', `Cannot read ${printPath(path)}`, { path, cause })
  }

  async #finish(signature: SignatureBytes, copies: number): Promise<void> {
    const look = await this.mapped.look?.().catch(cause => this.#fail(cause))
    this.#summary = {
      sizeBytes: this.mapped.touched.sizeBytes,
      sha256: '',
      signature: signature.bytes,
      signatureDigest: digestSignature(signature.bytes, signature),
      copies,
      dirty: this.#isCut || look?.dirty || undefined,
      racy: look?.racy || undefined,
      error: this.#error
    }
  }
}
