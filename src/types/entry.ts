import type { BackupError } from '../errors.js'
import type { ReadRange } from './codec.js'
import type { Metadata } from './metadata.js'
import type { Source } from './source.js'

/** What a second look at a file says of the bytes that were read since it was listed. */
export interface Look {
  /** It changed meanwhile. */
  readonly dirty: boolean
  /** It has changed so lately that its times prove nothing. */
  readonly racy: boolean
}

/** The bytes of a file. A sequential content (out of a tar) is opened at most once, and dies at the next pull, which drains it. */
export interface Content {
  /** The bytes, in order. Nothing is opened before the first pull. */
  open(): Source<Uint8Array>
  /** All of a small content at once, instead of `open`; may be part of a larger block: what keeps it copies it. What replaces `open` leaves it out. */
  readonly read?: (() => Promise<Uint8Array>) | undefined
  /**
   * Reads bytes of it, for `changedBlocks`: at most 1 MiB, or one block of a signature. Fewer than asked for: it ends there.
   * What replaces `open` leaves it out.
   */
  readonly readRange?: ReadRange | undefined
  /** Finds the size where the entry does not say it: makes the content, and keeps it for the next `open`. */
  readonly measure?: (() => Promise<number>) | undefined
  /** It can be opened any number of times, also later. Default: once, now. */
  readonly isRepeatable?: boolean | undefined
  /** Looks at the file again, after its bytes have been read. A content that replaces another's bytes hands this on. */
  readonly look?: (() => Promise<Look>) | undefined
}

/** A thing in a tree. */
export interface Entry extends Metadata {
  readonly content?: Content | undefined
  /** Why the entry is `unreadable`; of any other type, what of it could not be read. */
  readonly error?: BackupError | undefined
}
