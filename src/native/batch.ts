import { decodePath } from '../path.js'
import { addon } from './addon.js'
import { type StatColumns, statColumns } from './columns.js'
import { runJob } from './job.js'

/** Many small files, opened, looked at, read, hashed and signed in one job. `StatColumns` are those of the bytes read. */
export interface FileBatch extends StatColumns {
  readonly count: number
  /** All columns of `StatColumns`, as native/fs/stat.cc packs them. */
  readonly columns: Uint8Array
  /** Contents stand in the slab one behind the other: file i from `offsets[i]` up to `offsets[i + 1]`, unless there are gaps. */
  readonly offsets: Float64Array
  /** `FILE_DIRTY`, `FILE_RACY`, `FILE_TOO_LARGE`, `FILE_NOT_REGULAR`. */
  readonly flags: Uint8Array
  /** 32 bytes a file; zeros for what was not read. */
  readonly sha256: Buffer
  readonly signatures: Buffer
  readonly signatureOffsets: Float64Array
}

/** It changed under each of three reads, or so often that no moment of rest was found to read it in. */
export const FILE_DIRTY = 1
/** mtime or ctime lies within `racyMs` of the look. */
export const FILE_RACY = 2
/** Larger than what was left of the slab: not read. */
export const FILE_TOO_LARGE = 4
/** No regular file (any more): not read. */
export const FILE_NOT_REGULAR = 8

/** How the files of a batch are read. */
export interface BatchOptions {
  /** Files of at least this size are signed; Infinity: none. */
  readonly signMinBytes: number
  /** blockLen = max(this, librsync's). */
  readonly blockLenMin: number
  /** At most 32, which is all. */
  readonly strongLen: number
  readonly racyMs: number
  /** Bytes that are left free before each content, which is then filled up with zeros to whole tar blocks. Default: none. */
  readonly gaps?: Uint32Array | undefined
}

/**
 * Reads files below the root. `names` holds `count` paths, each ended by NUL. No link is followed in any part of a path.
 * A file that changes under the read is read again, three times in all. One that could not be opened or read has its
 * reason in `errnos` and no bytes. The contents go into the slab, which nobody may use meanwhile.
 * Memory: 200 bytes a file, and 20 bytes a signed block.
 * @throws BackupError IBT_READ_FAILED if the root cannot be opened.
 */
export async function readFiles(
  root: Uint8Array,
  names: Uint8Array,
  count: number,
  slab: Uint8Array,
  options: BatchOptions,
  signal?: AbortSignal
): Promise<FileBatch> {
  const { signMinBytes, blockLenMin, strongLen, racyMs, gaps } = options
  const subject = { action: 'read files below', path: decodePath(root) }
  const { columns, ...batch } = await runJob(subject, signal, token =>
    addon().readFiles(root, names, count, slab, signMinBytes, blockLenMin, strongLen, racyMs, gaps, token)
  )
  return { columns: new Uint8Array(columns), ...batch, ...statColumns(columns, count) }
}
