import { decodePath } from '../path.js'
import { addon } from './addon.js'
import { type StatColumns, statColumns } from './columns.js'
import { runJob } from './job.js'
import { SELF, splitXattrs, type Xattrs } from './xattrs.js'

/** File types as in `struct dirent`. */
export const FileType = {
  fifo: 1,
  characterDevice: 2,
  directory: 4,
  blockDevice: 6,
  file: 8,
  symlink: 10,
  socket: 12
} as const

/** A directory and all that is in it, names in bytewise order. `.` and `..` are left out. */
export interface Listing extends StatColumns {
  readonly count: number
  readonly names: Buffer
  /** A target for every entry, empty for what is no symlink. */
  readonly linknames: Buffer
  /** Extended attributes of those entries that have some, by index; values are views. Linux only. */
  readonly xattrs: ReadonlyMap<number, Xattrs>
  /** Those of the directory that was listed. */
  readonly ownXattrs: Xattrs | undefined
  /** For each name that was asked for: the content of the regular file of that name, up to the limit; undefined if there is none. */
  readonly captured: readonly (Buffer | undefined)[]
  /** Device and inode of the directory that was listed. */
  readonly dev: bigint
  readonly ino: bigint
}

/**
 * Lists a directory: names, metadata, link targets and extended attributes, and the contents of the files that `capture` names.
 * `root` is an absolute path and opened following links. `path` (`.`: the root) lies below it and is opened without
 * following a link in any part. What could not be looked at, or of `capture` not read, has its reason in `errnos`.
 * Memory: about 100 bytes an entry, and the attributes.
 * An attribute that the user may not read is left out.
 * @throws BackupError IBT_READ_FAILED if the directory cannot be opened or read.
 */
export async function listDirectory(
  root: Uint8Array,
  path: Uint8Array,
  capture: readonly Uint8Array[],
  captureMaxBytes: number,
  signal?: AbortSignal
): Promise<Listing> {
  const subject = { action: 'list directory', path: decodePath(path) }
  const {
    columns,
    xattrs: records,
    ...listing
  } = await runJob(subject, signal, token => addon().listDirectory(root, path, capture, captureMaxBytes, token))
  const xattrs = splitXattrs(records)
  return { ...listing, ...statColumns(columns, listing.count), xattrs, ownXattrs: xattrs.get(SELF) }
}
