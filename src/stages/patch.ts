import { tmpdir } from 'node:os'
import { batchStage, isBatch, toBatch } from '../flow/batches.js'
import { PatchedContent } from '../restore/patched.js'
import type { Entry, Layered, Stage } from '../types.js'

/** What only stored contents have. */
const NOT_STORED = { layers: undefined, readSignature: undefined }

/** Options of `patch`. */
export interface PatchOptions {
  /**
   * Where deltas are spooled, and bases that cannot be read at any position, in files without a name. Default: the
   * system's temporary directory.
   */
  readonly spoolDirectory?: string | Uint8Array | undefined
}

/**
 * Makes contents from stored bodies: composes the deltas of a file to one, applies that to its whole body, and proves the
 * result. Each byte of the content is made once, whatever the number of deltas.
 *
 * Consumes `Layered`, yields `Entry`. Other items pass on. Order kept. Reads nothing before a content is opened. An entry
 * that a stage has given a `content` already keeps it: nothing of it is read from the archives.
 * Memory for each content that is open: literals of up to `PART_BYTES` together, three times, 24 bytes for each command
 * of the deltas and 16 bytes for each span that they copy; a whole body of up to `PART_BYTES`, three times, or 16 MiB of
 * blocks of a longer one. Literals that do not fit are spooled; so is what is copied of a long whole body if copies go
 * back and forth in it, or if it is sparse. Together these have no more bytes than the content.
 *
 * @throws when a content is read: BackupError IBT_HASH_MISMATCH if it is not what was backed up (before its first byte
 * for contents of up to `PART_BYTES`, else after its last), and what the engine says of a delta.
 */
export function patch(options: PatchOptions = {}): Stage<Layered, Entry> {
  const { spoolDirectory = tmpdir() } = options
  const patched = (item: Layered, signal: AbortSignal | undefined): Entry => {
    if (item.layers === undefined) return item
    // A caller's content takes the place of the stored one, of which the digest is.
    if (item.content !== undefined)
      return { ...item, ...NOT_STORED, sha256: undefined, signatureDigest: undefined } as Entry
    const content = new PatchedContent(item, item.layers, { spoolDirectory, signal })
    return { ...item, ...NOT_STORED, content } as Entry
  }
  return batchStage<Layered, Entry>(async function* patchStage(source, { signal }) {
    const each = (item: Layered) => patched(item, signal)
    for await (const item of source) yield isBatch(item) ? toBatch(Array.from(item, each), item) : each(item)
  })
}
