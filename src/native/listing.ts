import { BackupError } from '../errors.js'
import { encodePath, printPath } from '../path.js'
import { addon, type RawListing } from './addon.js'
import { type StatColumns, statColumns } from './columns.js'
import { runJob, systemError } from './job.js'
import { SELF, splitXattrs, type Xattrs } from './xattrs.js'

const LIST = 'list directory'
const NUL = Buffer.alloc(1)

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
  /** All columns, as native/fs/stat.cc packs them. */
  readonly columns: Uint8Array
  readonly names: Buffer
  /** Where each begins, and where the last ends; so for the linknames. */
  readonly nameOffsets: Uint32Array
  readonly linknameOffsets: Uint32Array
  /** A target for every entry, empty for any other type. */
  readonly linknames: Buffer
  /** Extended attributes of those entries that have some, by index; values are views. Linux only. */
  readonly xattrs: ReadonlyMap<number, Xattrs>
  /** Why some of an entry's extended attributes could not be read, by index; E2BIG: it has more than 4 MiB of them. */
  readonly xattrErrnos: ReadonlyMap<number, number>
  /** Why the link of a captured name gave no content, by index. */
  readonly captureErrnos: ReadonlyMap<number, number>
  /** Those of the directory that was listed, and why some could not be read. */
  readonly ownXattrs: Xattrs | undefined
  readonly ownXattrErrno: number | undefined
  /** For each name that was asked for: the content of the regular file of that name, up to the limit; undefined if there is none. */
  readonly captured: readonly (Buffer | undefined)[]
  /** Listings of directories in it that came along, by index. */
  readonly below: ReadonlyMap<number, Listing>
  /** Device and inode of the directory that was listed. */
  readonly dev: bigint
  readonly ino: bigint
}

/** What to list, and what is to come along. */
export interface ListOptions {
  /** Names of regular files whose contents come along, up to a limit. */
  readonly capture?: readonly Uint8Array[] | undefined
  readonly captureMaxBytes?: number | undefined
  /** So many of the first names may also be links to regular files, wherever these lie. Default: 0. */
  readonly captureLinks?: number | undefined
  /**
   * What is below is listed, too, in depth-first order, while all listings together have fewer entries than this; not
   * below a directory with a captured file, nor on another device. Default: 0, nothing.
   */
  readonly belowEntries?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Lists directories: names, metadata, link targets and extended attributes.
 * `root` is an absolute path, opened following links, or a descriptor. A path (`.`: the root) lies below it and is opened without
 * following a link in any part. If stat fails, or a file of `capture` cannot be read, the reason is in
 * `errnos`.
 * Gives a listing for each path, or why there is none (IBT_READ_FAILED), or undefined where `belowEntries` was reached:
 * the first path is listed in any case.
 * A name that is not found is listed again: it is left out if it is gone by then, and has ENOENT if it is not.
 * Memory: about 100 bytes an entry, and the attributes, at most 4 MiB an entry.
 * An attribute that the user may not read is left out.
 */
export async function listDirectories(
  root: Uint8Array | number,
  paths: readonly string[],
  { capture = [], captureMaxBytes = 0, captureLinks = 0, belowEntries = 0, signal }: ListOptions = {}
): Promise<(Listing | BackupError | undefined)[]> {
  const names = Buffer.concat(paths.flatMap(path => [encodePath(path), NUL]))
  const subject = { action: LIST, path: paths.length === 1 ? paths[0] : undefined }
  const tree = await runJob(subject, signal, token =>
    addon().listDirectories(root, names, paths.length, capture, captureMaxBytes, captureLinks, belowEntries, token)
  )
  const listings = toListings(tree.directories)
  return paths.map((path, i) => {
    const errno = tree.errnos[i]!
    if (errno === 0) return listings[tree.starts[i]!]
    const cause = systemError(errno, tree.syscalls[i]!, path)
    return new BackupError('IBT_READ_FAILED', `Cannot ${LIST} ${printPath(path)}`, { path, cause })
  })
}

/** Lists one directory. @throws BackupError IBT_READ_FAILED */
export async function listDirectory(root: Uint8Array | number, path: string, options?: ListOptions): Promise<Listing> {
  const [listing] = await listDirectories(root, [path], options)
  if (listing instanceof BackupError) throw listing
  return listing!
}

/** Parents come before what is below them. */
function toListings(directories: readonly RawListing[]): Listing[] {
  const below = directories.map(() => new Map<number, Listing>())
  return directories.map(({ columns, xattrs: records, parent, entry, ...rest }, i) => {
    const { xattrs, errnos, captureErrnos } = splitXattrs(records)
    const listing = {
      columns: new Uint8Array(columns),
      ...rest,
      ...statColumns(columns, rest.count),
      xattrs,
      xattrErrnos: errnos,
      captureErrnos,
      ownXattrs: xattrs.get(SELF),
      ownXattrErrno: errnos.get(SELF),
      below: below[i]!
    }
    below[parent]?.set(entry, listing)
    return listing
  })
}
