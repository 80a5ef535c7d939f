import { decodePath } from '../path.js'
import { addon } from './addon.js'
import { runJob } from './job.js'

/** What `operate` does to one path below the root. */
export const Operation = {
  /** It must not exist. Mode 0700 unless `modes` says another. */
  makeDirectory: 1,
  /** Makes the file (it must not exist) with a body, owner, mode and times. Mode 0600 unless `modes` says another. */
  writeFile: 2,
  /** `other`: the target. */
  makeSymlink: 3,
  /** `other`: the path of the existing file. */
  makeLink: 4,
  /** Owner, mode, times of what is there; a symlink itself, not its target. */
  setMetadata: 5,
  /** Whatever is there, with all that it contains; links are not followed. Nothing there is no error. */
  remove: 6,
  /** `other`: the new path. */
  rename: 7
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
  readonly slab: Uint8Array
  /** Body i is `slab[offsets[i]..offsets[i + 1]]`. */
  readonly offsets: Float64Array
}

/**
 * Changes what lies below the root: yields an error number (0: done) for each operation. One that fails does not stop
 * the others. No link is followed in any part of a path. What was not given its owner is not given setuid or setgid.
 * A file that could not be written whole is removed again. After an abort some operations are done and some are not.
 * `slab` must not change until the promise settles.
 * @throws BackupError IBT_READ_FAILED if the root cannot be opened.
 */
export async function operate(root: Uint8Array, columns: OperationColumns, signal?: AbortSignal): Promise<Int32Array> {
  const { codes, paths, others, modes, uids, gids, mtimesNs, slab, offsets } = columns
  return runJob({ action: 'change what is below', path: decodePath(root) }, signal, token =>
    addon().operate(root, codes, paths, others, modes, uids, gids, mtimesNs, slab, offsets, token)
  )
}
