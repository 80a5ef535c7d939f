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

/** Every field of a type, none left out: what copies metadata field by field misses none that is added. */
export type EveryField<T> = { readonly [Name in keyof T]-?: T[Name] }
