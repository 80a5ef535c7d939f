/**
 * The addon "librsync-native", loaded on first use, and what it takes to call it.
 * Everything asynchronous runs in the addon's own pool of threads; results are fresh memory that belongs to the caller.
 * An abort rejects with the signal's reason, untouched, as soon as the job has stopped: within 50 ms, unless the system
 * keeps it waiting. What a job reads must not change before its promise settles.
 */

export type { Handle, Sequence } from './native/addon.js'
export {
  type BatchOptions,
  FILE_DIRTY,
  FILE_NOT_REGULAR,
  FILE_RACY,
  FILE_TOO_LARGE,
  type FileBatch,
  readFiles
} from './native/batch.js'
export type { StatColumns } from './native/columns.js'
export { composeBytes, composeDeltas } from './native/compose.js'
export { type ContentProver, createProver, digestSignature } from './native/content-prover.js'
export { type DeltaResult, deltaBytes } from './native/delta-bytes.js'
export { dataExtents } from './native/extents.js'
export { returnFreedMemory, type SystemError, setJobs, systemError } from './native/job.js'
export { type ComparedLines, LineCode, LineMatcher, type ListedColumns, UsedKind } from './native/line-matcher.js'
export { FileType, type Listing, type ListOptions, listDirectories, listDirectory } from './native/listing.js'
export { allocateBytes } from './native/memory.js'
export { closeDescriptor, type OpenFile, openFile } from './native/open-file.js'
export {
  createSequence,
  LEAVE,
  LEAVE_TIME,
  NOT_PROVEN,
  type Operated,
  type OperateOptions,
  Operation,
  type OperationColumns,
  openRoot,
  operate,
  SPARED,
  type Unset
} from './native/operate.js'
export { createPatcher, type Patcher, patchBytes } from './native/patcher.js'
export { deltaFile, type JobStats, patchFile, signatureFile } from './native/rdiff-files.js'
export { createScanner, type Scanner, type ScanOptions, type ScanResult } from './native/scanner.js'
export {
  type LoadedSignature,
  loadSignature,
  type SignatureOptions,
  type StrongSum,
  type WeakSum
} from './native/signature.js'
export { type PlacedSpan, type PreviousLines, type SpanPlaces, SpanWriter, Treatment } from './native/span-writer.js'
export { groupId, groupName, userId, userName } from './native/users.js'
export { encodeXattrs, type Xattrs } from './native/xattrs.js'
