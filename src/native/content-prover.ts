import { createHash } from 'node:crypto'
import type { ContentDigests, SignatureDigest } from '../types.js'
import { createScanner } from './scanner.js'

/** Takes the bytes of a content and says whether they are those that a digest is of. */
export interface ContentProver {
  /** The bytes must not change until the promise settles, where there is one. */
  update(bytes: Uint8Array, signal?: AbortSignal): Promise<unknown> | undefined
  /** No more bytes come. */
  isProven(signal?: AbortSignal): Promise<boolean>
}

/**
 * Proves a content by its SHA-256 or, where that is not known, by the digest of its signature. Undefined if neither is
 * known. Memory: of a signature, that of its bytes.
 */
export function createProver({ sha256, signatureDigest }: ContentDigests): ContentProver | undefined {
  if (sha256 !== undefined) {
    const hash = createHash('sha256')
    return {
      update(bytes) {
        hash.update(bytes)
        return undefined
      },
      isProven: async () => hash.digest('hex') === sha256
    }
  }
  if (signatureDigest === undefined) return undefined
  const { blockLen, strongLen, sha256: expected } = signatureDigest
  const scanner = createScanner({ sign: true, blockLen, strongLen })
  return {
    update: (bytes, signal) => (bytes.length === 0 ? undefined : scanner.update(bytes, signal)),
    isProven: async signal =>
      digestSignature((await scanner.finish(signal)).signature, signatureDigest).sha256 === expected
  }
}

/** The digest of a signature. */
export function digestSignature(
  signature: Uint8Array,
  { blockLen, strongLen }: Pick<SignatureDigest, 'blockLen' | 'strongLen'>
): SignatureDigest {
  return { blockLen, strongLen, sha256: createHash('sha256').update(signature).digest('hex') }
}
