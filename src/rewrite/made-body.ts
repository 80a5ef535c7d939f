import { checkPolicy } from '../change/policy.js'
import { scanOptions } from '../change/stream-body.js'
import { createScanner, type Scanner } from '../native.js'
import type { Body, Content, Extent, Source, Summary } from '../types.js'

const POLICY = checkPolicy({})

/** A whole content out of a backup. */
export interface MadeContent {
  /** Proves its bytes. */
  readonly content: Content
  /** Of the bytes, in hex. */
  readonly sha256: string
  readonly sizeBytes: number
  /** Of a sparse file: where it holds data. */
  readonly extents?: readonly Extent[] | undefined
  /** Whether it gets a signature, if it is large enough. */
  readonly signs: boolean
}

/** A whole content out of a backup, to be stored again. What it throws ends the run: no error of it is one of an entry. */
export class MadeBody implements Body {
  readonly form = 'whole'
  readonly sizeBytes: number
  readonly extents: readonly Extent[] | undefined
  readonly parts: Source<Uint8Array>
  readonly #sha256: string
  #summary: Summary | undefined

  constructor({ content, sizeBytes, sha256, extents, signs }: MadeContent, signal: AbortSignal | undefined) {
    this.sizeBytes = sizeBytes
    this.extents = extents
    const isSigned = signs && sizeBytes >= POLICY.signedMinBytes
    this.#sha256 = sha256
    this.parts = this.#read(content, isSigned ? createScanner(scanOptions(sizeBytes, POLICY)) : undefined, signal)
  }

  result(): Summary {
    return this.#summary!
  }

  async *#read(content: Content, scanner: Scanner | undefined, signal: AbortSignal | undefined) {
    for await (const bytes of content.read === undefined ? content.open() : [await content.read()]) {
      if (bytes.length === 0) continue
      await scanner?.update(bytes, signal)
      yield bytes
    }
    const signature = (await scanner?.finish(signal))?.signature
    this.#summary = { sizeBytes: this.sizeBytes, sha256: this.#sha256, signature, copies: 0 }
  }
}
