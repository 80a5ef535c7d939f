/**
 * The addon "librsync-native", loaded on first use, and what it takes to call it.
 * Everything asynchronous runs in the addon's own pool of threads; results are fresh memory that belongs to the caller.
 */

/** librsync's four signature formats are the pairs of these. */
export type WeakSum = 'rabinkarp' | 'rollsum'
export type StrongSum = 'blake2' | 'md4'

export interface SignatureOptions {
  /** Bytes of a block; 0 or absent: librsync's default for the size. */
  readonly blockLen?: number | undefined
  /** Bytes of a strong sum; 0 or absent: all; -1: librsync's minimum for the size. */
  readonly strongLen?: number | undefined
  readonly weak?: WeakSum | undefined
  readonly strong?: StrongSum | undefined
}

/** A signature that is loaded for making deltas. */
export interface LoadedSignature {
  readonly blockLen: number
  readonly strongLen: number
  readonly blocks: number
}

export interface ScanOptions extends SignatureOptions {
  /** Bytes to come, if known: decides default lengths. */
  readonly sizeBytes?: number | undefined
  /** Make a signature. */
  readonly sign?: boolean | undefined
  /** Make a delta against it. */
  readonly basis?: LoadedSignature | undefined
}

export interface ScanResult {
  /** The rest of the delta, empty without a basis. */
  readonly delta: Buffer
  readonly sha256: Buffer
  /** Empty if none was asked for. */
  readonly signature: Buffer
  readonly sizeBytes: number
  /** COPY commands of the delta, and the bytes they copy. */
  readonly copies: number
  readonly copiedBytes: number
}

/**
 * One content in one pass: its SHA-256, its signature and its delta.
 * One call at a time: IBT_JOB_BUSY otherwise. Memory: 20 bytes a block, and one block length plus one chunk for the delta.
 */
export interface Scanner {
  /** Takes the next bytes, which must not change until the promise settles; yields the delta so far, empty without a basis. */
  update(chunk: Uint8Array, signal?: AbortSignal): Promise<Buffer>
  finish(signal?: AbortSignal): Promise<ScanResult>
}

/**
 * Applies a delta piece by piece. The basis is a descriptor that can be read at any position, or bytes.
 * Memory: the piece that was pushed and the output that was pulled.
 */
export interface Patcher {
  /** Takes the next bytes of the delta. Call `pull` until it is empty before the next. */
  push(delta: Uint8Array): void
  /** Up to `maxBytes` of output; empty: push more; null: the delta has ended. */
  pull(maxBytes: number, signal?: AbortSignal): Promise<Buffer | null>
  /** No more delta comes. @throws BackupError IBT_INPUT_ENDED if its END was not seen. */
  end(): void
}

/** Sizes that a file-to-file job saw. */
export interface JobStats {
  readonly inBytes: number
  readonly outBytes: number
}

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

/** Metadata of many files, a column a field. Strings are bytes, one behind the other, each ended by NUL. */
export interface StatColumns {
  /** `FileType`; 0 if the file could not be looked at. */
  readonly types: Uint8Array
  readonly modes: Uint32Array
  readonly uids: Uint32Array
  readonly gids: Uint32Array
  readonly nlinks: Uint32Array
  readonly sizes: Float64Array
  readonly devs: BigUint64Array
  readonly inos: BigUint64Array
  readonly mtimesNs: BigInt64Array
  readonly ctimesNs: BigInt64Array
  readonly devMajors: Uint32Array
  readonly devMinors: Uint32Array
  /** Why a file could not be looked at; 0 if it could. */
  readonly errnos: Int32Array
}

/** A directory and all that is in it, names in bytewise order. `.` and `..` are left out. */
export interface Listing extends StatColumns {
  readonly count: number
  readonly names: Buffer
  /** A target for every entry, empty for what is no symlink. */
  readonly linknames: Buffer
  /** For each name that was asked for: the content of the regular file of that name, up to the limit; undefined if there is none. */
  readonly captured: readonly (Buffer | undefined)[]
  /** Device and inode of the directory that was listed. */
  readonly dev: bigint
  readonly ino: bigint
}

/** Many small files, opened, looked at, read, hashed and signed in one job. `StatColumns` are those of the bytes read. */
export interface FileBatch extends StatColumns {
  readonly count: number
  /** Contents, one behind the other: file i is `slab[offsets[i]..offsets[i + 1]]`. */
  readonly slab: Buffer
  readonly offsets: Float64Array
  /** `FILE_DIRTY`, `FILE_RACY`, `FILE_TOO_LARGE`, `FILE_NOT_REGULAR`. */
  readonly flags: Uint8Array
  /** 32 bytes a file. */
  readonly sha256: Buffer
  readonly signatures: Buffer
  readonly signatureOffsets: Float64Array
}

/** It changed under each of three reads. */
export const FILE_DIRTY = 1
/** max(mtime, ctime) lies within `racyMs` of the look. */
export const FILE_RACY = 2
/** Larger than `maxBytes`: not read. */
export const FILE_TOO_LARGE = 4
/** No regular file (any more): not read. */
export const FILE_NOT_REGULAR = 8

export interface BatchOptions {
  /** A file larger than this is not read. */
  readonly maxBytes: number
  /** Files of at least this size are signed; Infinity: none. */
  readonly signMinBytes: number
  /** blockLen = max(this, librsync's). */
  readonly blockLenMin: number
  readonly strongLen: number
  readonly racyMs: number
}

/** What `operate` does to one path below the root. */
export const Operation = {
  makeDirectory: 1,
  /** Makes the file (it must not exist) with a body, owner, mode and times. */
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

/** Operations on many paths, done in order in one job. */
export interface OperationColumns {
  readonly codes: Uint8Array
  /** Bytes, each ended by NUL. */
  readonly paths: Uint8Array
  readonly others: Uint8Array
  /** 0xffffffff: leave as it is. The same for owners. */
  readonly modes: Uint32Array
  readonly uids: Uint32Array
  readonly gids: Uint32Array
  readonly mtimesNs: BigInt64Array
  readonly slab: Uint8Array
  /** Body i is `slab[offsets[i]..offsets[i + 1]]`. */
  readonly offsets: Float64Array
}

export interface OpenFile {
  /** For `node:fs`; the caller closes it. */
  readonly fd: number
  readonly stat: StatColumns
}
