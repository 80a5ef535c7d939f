import { checkPolicy } from '../change/policy.js'
import { scanOptions } from '../change/stream-body.js'
import { createScanner, type Scanner } from '../native.js'
import type { Body, Content, ContentDigests, Extent, Source, Summary } from '../types.js'

const POLICY = checkPolicy({})

/** A whole content out of a backup. */
export interface MadeContent {
  /** Proves its bytes. */
  readonly content: Content
  /** Of the bytes, in hex; undefined if it is to be computed. */
  readonly sha256: string | undefined
  /** Bytes of a block of the signature. Default: as `sign` has it. */
  readonly blockLen?: number | undefined
  readonly sizeBytes: number
  /** Of a sparse file: where it holds data. */
  readonly extents?: readonly Extent[] | undefined
  /** Whether it gets a signature, if it is large enough. */
  readonly signs: boolean
}

/**
 * The SHA-256 that a made content has; undefined if it is to be computed, of a content that the digest of its signature
 * proves. What nothing proves has none.
 */
export function toBeRecorded({ sha256, signatureDigest }: ContentDigests): string | undefined {
  return sha256 ?? (signatureDigest === undefined ? '' : undefined)
}

/** A whole content out of a backup, to be stored again. What it throws ends the run: no error of it is one of an entry. */
export class MadeBody implements Body {
  readonly form = 'whole'
  readonly sizeBytes: number
  readonly extents: readonly Extent[] | undefined
  readonly parts: Source<Uint8Array>
  #summary: Summary | undefined

  constructor({ content, sizeBytes, sha256, blockLen, extents, signs }: MadeContent, signal: AbortSignal | undefined) {
    this.sizeBytes = sizeBytes
    this.extents = extents
    const isSigned = signs && sizeBytes >= POLICY.signedMinBytes
    const format = scanOptions(sizeBytes, POLICY)
    const scans = isSigned || sha256 === undefined
    const scanner = scans
      ? createScanner({ ...format, blockLen: blockLen ?? format.blockLen, sign: isSigned })
      : undefined
    this.parts = this.#read(content, sha256, scanner, signal)
  }

  result(): Summary {
    return this.#summary!
  }

  async *#read(
    content: Content,
    known: string | undefined,
    scanner: Scanner | undefined,
    signal: AbortSignal | undefined
  ) {
    for await (const bytes of content.read === undefined ? content.open() : [await content.read()]) {
      if (bytes.length === 0) continue
      await scanner?.update(bytes, signal)
      yield bytes
    }
    const scanned = await scanner?.finish(signal)
    const signature = scanned?.signature.length ? scanned.signature : undefined
    const sha256 = known ?? scanned!.sha256.toString('hex')
    this.#summary = { sizeBytes: this.sizeBytes, sha256, signature, copies: 0 }
  }
}
