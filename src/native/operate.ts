import { decodePath } from '../path.js'
import { addon, type RawUnset, type Sequence } from './addon.js'
import { runJob } from './job.js'
import { closeDescriptor } from './open-file.js'

/** What `operate` does to one path below the root. */
export const Operation = {
  /** It must not exist. Mode 0700 unless `modes` says another. */
  makeDirectory: 1,
  /**
   * Makes the file (it must not exist) with a body and metadata. Mode 0600 unless `modes` says another.
   * `other`: a name in the same directory that it has until it is complete; then it replaces what is there, unless that
   * is a directory.
   */
  writeFile: 2,
  /** `other`: the target. */
  makeSymlink: 3,
  /** `other`: the path of the existing file. */
  makeLink: 4,
  /** Metadata of what is there; of a symlink itself, not of its target. */
  setMetadata: 5,
  /** Whatever is there, with all that it contains; links are not followed. Nothing there is no error. */
  remove: 6,
  /** `other`: the new path. */
  rename: 7,
  /** As `writeFile`; blocks of 4 KiB that are all zeros become holes. */
  writeSparseFile: 8,
  makeFifo: 9,
  makeCharacterDevice: 10,
  makeBlockDevice: 11,
  /** As `remove`, but a directory that is not empty stays: ENOTEMPTY. */
  removeOne: 12,
  /** A file that an earlier operation has made. Nothing there is no error. */
  unlink: 13
} as const

/** In `OperationColumns`: a mode or owner that is left as it is. */
export const LEAVE = 0xffffffff
/** In `OperationColumns`: a time that is left as it is. */
export const LEAVE_TIME = -(2n ** 63n)

/** Operations on many paths, done in order in one job. */
export interface OperationColumns {
  readonly codes: Uint8Array
  /** Bytes, each ended by NUL. */
  readonly paths: Uint8Array
  readonly others: Uint8Array
  /** `LEAVE`: leave as it is. The same for owners. */
  readonly modes: Uint32Array
  readonly uids: Uint32Array
  readonly gids: Uint32Array
  /** `LEAVE_TIME`: leave as it is. */
  readonly mtimesNs: BigInt64Array
  /** Of devices. */
  readonly devMajors: Uint32Array
  readonly devMinors: Uint32Array
  /**
   * Extended attributes of operation i are `xattrs[xattrOffsets[i]..xattrOffsets[i + 1]]`, as `encodeXattrs` makes them;
   * empty: they are left as they are. Those that are there and not in the list are removed, but for the system's labels.
   */
  readonly xattrs: Uint8Array
  readonly xattrOffsets: Float64Array
  readonly slab: Uint8Array
  /** Body i is `slab[offsets[i]..offsets[i + 1]]`. */
  readonly offsets: Float64Array
  /** The SHA-256 that body i has to have: 32 bytes each, zeros where any will do. */
  readonly digests: Uint8Array
}

/** In `Operated`: nothing was written, for the body does not have its digest. */
export const NOT_PROVEN = -1
/** In `Operated`: what would have been removed or replaced lies at or behind a mount point, and stays. */
export const SPARED = -2

/** Metadata that may be refused. */
const UNSET_PARTS = { 1: 'owner', 2: 'attribute', 3: 'mode', 4: 'time', 5: 'privileges' } as const

/**
 * Metadata that could not be set of what is there. `privileges`: setuid, setgid or capabilities of a file that does not
 * have its owner.
 */
export interface Unset {
  /** Index of the operation. */
  readonly operation: number
  readonly part: (typeof UNSET_PARTS)[keyof typeof UNSET_PARTS]
  /** Positive, as in columns. */
  readonly errno: number
  /** Name of the attribute, escaped as paths are; empty if the attributes that are there could not be listed. */
  readonly attribute: string
}

/** What became of operations. */
export interface Operated {
  /** 0 (done), an error number, `NOT_PROVEN` or `SPARED` for each. */
  readonly errnos: Int32Array
  readonly unset: readonly Unset[]
}

/** Opens a directory, following links, for the jobs that go by its descriptor; the caller closes it. @throws BackupError IBT_READ_FAILED */
export async function openRoot(path: Uint8Array, signal?: AbortSignal): Promise<number> {
  const subject = { action: 'open', path: decodePath(path) }
  return runJob(
    subject,
    signal,
    token => addon().openRoot(path, token),
    fd => void closeDescriptor(fd).catch(() => {})
  )
}

/** For jobs that make a tree where nothing is: see `operate`. */
export function createSequence(): Sequence {
  return addon().sequence()
}

/** How `operate` is done. */
export interface OperateOptions {
  readonly signal?: AbortSignal | undefined
  /** False: files keep the owners that they have, and `uids` and `gids` tell whose they were. Default: true. */
  readonly setsOwner?: boolean | undefined
  /** Jobs of one sequence work at the same time as far as they can. */
  readonly sequence?: Sequence | undefined
}

/**
 * Changes what lies below the root, a name or a descriptor (see `openRoot`). An operation that fails does not stop the
 * others. No link is followed in any part of a path.
 * Metadata that cannot be set do not fail an operation: the rest is set. Owners come first, times last. A file that does
 * not have its owner is not given setuid, setgid or capabilities. A file that could not be written whole is removed again.
 * Nothing is removed or replaced at or behind a mount point below the root.
 * After an abort some operations are done and some are not.
 * `slab`, `xattrs` and `digests` must not change until the promise settles.
 * Of a sequence, directories are made before files and files before all else that a job does, and each of these three
 * in order; anything that is not a file, in the order of the jobs, too. For operations that this order suits.
 * @throws BackupError IBT_READ_FAILED if the root cannot be opened.
 */
export async function operate(
  root: Uint8Array | number,
  columns: OperationColumns,
  { signal, setsOwner = true, sequence }: OperateOptions = {}
): Promise<Operated> {
  const { codes, paths, others, modes, uids, gids, mtimesNs, devMajors, devMinors } = columns
  const { xattrs, xattrOffsets, slab, offsets, digests } = columns
  const path = typeof root === 'number' ? undefined : decodePath(root)
  const { errnos, unset } = await runJob({ action: 'change what is below', path }, signal, token =>
    addon().operate(
      ...([root, codes, paths, others, modes, uids, gids, mtimesNs, devMajors, devMinors] as const),
      ...([xattrs, xattrOffsets, slab, offsets, digests, setsOwner, sequence, token] as const)
    )
  )
  return { errnos, unset: unset.map(toUnset) }
}

function toUnset([operation, part, errno, attribute]: RawUnset): Unset {
  return { operation, part: UNSET_PARTS[part], errno, attribute: decodePath(attribute) }
}
