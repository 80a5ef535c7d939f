/** Types of entry that a tar holds. `link` is a hard link to an earlier entry of the same archive. */
export type TarType = 'file' | 'directory' | 'symlink' | 'link' | 'fifo' | 'character-device' | 'block-device'

/** What a tar says of one entry. */
export interface TarHeader {
  /** As in `Metadata`: no trailing '/', bytes that are not UTF-8 escaped, the root is `.`. */
  readonly path: string
  readonly type: TarType
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** User and group name, escaped as paths are. */
  readonly uname?: string | undefined
  readonly gname?: string | undefined
  readonly mtimeNs: bigint
  /** Bytes of the body; 0 for everything but a file. */
  readonly sizeBytes: number
  /** Bytes of the content of a sparse file, holes and all; its body is a map and the data, `sizeBytes` together. */
  readonly sparseSizeBytes?: number | undefined
  /** Target of a symlink, path of a link; escaped as paths are. */
  readonly linkname?: string | undefined
  readonly devMajor?: number | undefined
  readonly devMinor?: number | undefined
  /** Facts of this package, as JSON. */
  readonly comment?: string | undefined
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined
}

export const BLOCK_BYTES = 512
/** Bytes of the records before a header, at most: libarchive refuses more, too. */
export const RECORDS_BYTES = 1024 * 1024
/** Bytes of a name or link target in a ustar header; of a user or group name, which NUL ends. */
export const NAME_BYTES = 100
export const OWNER_BYTES = 31

/** The places of the fields of a ustar header. Source: POSIX.1-2017 pax, "ustar Interchange Format". */
export const Field = {
  name: 0,
  mode: 100,
  uid: 108,
  gid: 116,
  size: 124,
  mtime: 136,
  checksum: 148,
  type: 156,
  linkname: 157,
  magic: 257,
  version: 263,
  uname: 265,
  gname: 297,
  devMajor: 329,
  devMinor: 337,
  prefix: 345
} as const

/** Lengths of number fields. */
export const SHORT_FIELD = 8
export const LONG_FIELD = 12

/** Zeros that fill a body of this size up to whole blocks. */
export function padding(sizeBytes: number): number {
  const rest = sizeBytes % BLOCK_BYTES
  return rest === 0 ? 0 : BLOCK_BYTES - rest
}
