import { metadataOf } from '../change/metadata.js'
import { SPARSE_BUFFERED_BYTES } from '../constants.js'
import type { ContentDigests, Entry, Signed, Stage } from '../types.js'
import { findExtents } from './find-extents.js'
import { LinkOnce } from './link-once.js'
import { MadeBody, toBeRecorded } from './made-body.js'

/** Options of `wholeBodies`. */
export interface WholeBodiesOptions {
  /** Whether contents get signatures: for the increment on this backup. */
  readonly signs: boolean
  /** Entries that are stored already: they are left out, and later members of their hard-link groups are links to them. */
  readonly isStored?: ((path: string) => boolean) | undefined
}

/**
 * Stores every file of a backup whole again.
 *
 * Consumes `Entry` as `patch` yields it, yields `Signed` for `pack`. Order kept. A content is made while `pack` stores it; that
 * of a large sparse file is made once before, to find its holes.
 * Memory: one table entry for each hard-link group, and 20 bytes for each block of the content that is signed.
 *
 * @throws what making a content throws.
 */
export function wholeBodies({
  signs,
  isStored = () => false
}: WholeBodiesOptions): Stage<Entry & ContentDigests, Signed> {
  return async function* wholeBodiesStage(source, { signal } = {}) {
    const links = new LinkOnce()
    for await (const entry of source) {
      const { type, content, sizeBytes = 0, signatureDigest, sparse } = entry
      const name = entry.sha256 ?? signatureDigest?.sha256
      if (isStored(entry.path)) {
        if (type === 'file' && content !== undefined) links.store(entry, name)
        continue
      }
      if (type !== 'file' || content === undefined) {
        yield { ...metadataOf(entry), change: 'created', ...(type === 'file' && { sizeBytes }) }
        continue
      }
      const linked = links.link(entry, name)
      if (linked !== undefined) {
        yield linked
        continue
      }
      const extents = sparse && sizeBytes > SPARSE_BUFFERED_BYTES ? await findExtents(content.open()) : undefined
      const made = { content, sizeBytes, sha256: toBeRecorded(entry), blockLen: signatureDigest?.blockLen }
      const body = new MadeBody({ ...made, extents, signs }, signal)
      yield { ...links.store(entry, name), change: 'created', body }
    }
  }
}
