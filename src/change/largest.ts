import { LARGEST_FILES, SIGNED_MIN_BYTES } from '../constants.js'
import type { ChangeKind, Packed, WholeReason } from '../types.js'

/** Why so many bytes of a file were stored. */
export type StoredReason =
  | WholeReason
  /** Only what has changed. */
  | 'delta'
  /** A full stores every content. */
  | 'full'
  /** The previous backup has no such path. */
  | 'new'
  /** The previous backup has a directory, a link or the like there. */
  | 'retyped'
  /** What would say it is not in the store any more. */
  | 'unknown'

/** A file of which a backup stored bytes. */
export interface StoredFile {
  readonly path: string
  readonly change: ChangeKind
  /** Of its content. */
  readonly sizeBytes: number
  /** Of its content in this backup's archives, before compression. */
  readonly storedBytes: number
  readonly reason: StoredReason
  /** It changed while it was read. */
  readonly dirty?: boolean | undefined
}

/** The `LARGEST_FILES` of those that it is given that have the most stored bytes. Memory: theirs. */
export class Largest<T extends { readonly storedBytes: number }> {
  /** The largest first; of equal ones, that which came first. */
  readonly files: T[] = []

  /** What has no more bytes than these is not among them. */
  get minBytes(): number {
    return this.files.length < LARGEST_FILES ? 0 : this.files.at(-1)!.storedBytes
  }

  add(file: T): void {
    if (file.storedBytes <= this.minBytes) return
    const at = this.files.findIndex(({ storedBytes }) => storedBytes < file.storedBytes)
    this.files.splice(at < 0 ? this.files.length : at, 0, file)
    if (this.files.length > LARGEST_FILES) this.files.pop()
  }
}

/** What a report says of a file that was packed. `kind`: of the backup. */
export function toStoredFile(item: Packed, kind: 'full' | 'incremental'): StoredFile {
  const { path, change, storedBytes, state } = item
  return {
    path,
    change,
    sizeBytes: state?.sizeBytes ?? 0,
    storedBytes,
    reason: reasonOf(item, kind),
    dirty: state?.dirty
  }
}

function reasonOf({ change, previous, reason, state }: Packed, kind: 'full' | 'incremental'): StoredReason {
  if (kind === 'full') return 'full'
  if (previous === undefined || previous.type === 'unreadable') return reason ?? 'new'
  if (previous.type !== 'file') return 'retyped'
  const isSmall = change === 'updated' && state?.sha256 !== undefined && (state.sizeBytes ?? 0) < SIGNED_MIN_BYTES
  return reason ?? (isSmall ? 'too-small' : 'not-compared')
}
