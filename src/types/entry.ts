import type { BackupError } from '../errors.js'
import type { Source } from './source.js'
import type { StateEntry } from './state.js'

/** `unreadable`: it is there, but what it is or holds could not be read; `Entry.error` says why. */
export type EntryType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'fifo'
  | 'socket'
  | 'character-device'
  | 'block-device'
  | 'unreadable'

/** What is known of an entry without its content. */
export interface Metadata {
  /**
   * Relative, '/' between parts, no '.', '..' or empty part; the root itself is `.`.
   * Bytes that are not UTF-8 are surrogate escapes (0xNN is U+DCNN): `path.ts` converts.
   */
  readonly path: string
  readonly type: EntryType
  /** Permission bits with setuid, setgid and sticky: `& 0o7777`. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly uname?: string | undefined
  readonly gname?: string | undefined
  readonly mtimeNs: bigint
  readonly ctimeNs?: bigint | undefined
  readonly ino?: bigint | undefined
  /** Bytes of a file's content. */
  readonly sizeBytes?: number | undefined
  /** The file has holes: runs of zeros that take no room on its disk. */
  readonly sparse?: boolean | undefined
  /** Target of a symlink, escaped as `path` is. */
  readonly linkname?: string | undefined
  /** Ordinal of the hard-link group that the entry belongs to; the same for all its members in one run. */
  readonly link?: number | undefined
  readonly devMajor?: number | undefined
  readonly devMinor?: number | undefined
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined
  /** Of a content that was changed on its way: what changed it, and the size that it has in the source. */
  readonly mapped?: string | undefined
}

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

/** What an entry is against the previous state; `touched`: only its metadata changed. */
export type ChangeKind = 'created' | 'updated' | 'deleted' | 'unchanged' | 'touched'

/** An entry compared with the previous state. `touched`: only metadata changed. A deleted one has its last metadata. */
export interface Change extends Entry {
  readonly change: ChangeKind
  readonly previous?: StateEntry | undefined
  /** Reads the signature (librsync's bytes) of the previous content; undefined if it is gone. */
  readonly basis?: (() => Promise<Uint8Array | undefined>) | undefined
  /** It could not be read: what was there before is kept. */
  readonly carried?: boolean | undefined
}

/** A content of the previous state, to be stored again under another path. */
export interface Origin {
  /** As it was, but for its places, which all say their path. */
  readonly entry: StateEntry
  /** As that of `Change`. */
  readonly basis: (() => Promise<Uint8Array | undefined>) | undefined
}

/** Finds contents of the previous state under other paths than the one that is asked for. */
export interface Origins {
  /** The very content: SHA-256 in hex, and size. A promise only where it has to be waited for. */
  ofContent(sha256: string, sizeBytes: number): Promise<Origin | undefined> | undefined
  /** A content with a signature that was in the entry's inode, under a similar name: what the entry may begin with. */
  ofInode(entry: Metadata): Promise<Origin | undefined>
  /** The same, of a name that differs in numbers only, and of the nearest size. */
  ofName(entry: Metadata): Promise<Origin | undefined>
}
