import { groupId, userId } from '../native.js'
import type { Entry, StateEntry } from '../types.js'
import type { OperationMetadata } from './operations.js'

/** An entry with what a state says of it. */
export type Restorable = Entry & Pick<StateEntry, 'sha256' | 'dirty' | 'racy' | 'carried'>

/** What became of an entry. */
export interface Outcome {
  readonly isUnchanged: boolean
  /** Of content that was written. */
  readonly sizeBytes: number
}

export const UNCHANGED: Outcome = { isUnchanged: true, sizeBytes: 0 }
export const WRITTEN: Outcome = { isUnchanged: false, sizeBytes: 0 }

/** Owners by the name that the backup has, by number, or not at all. */
export type Owners = 'name' | 'number' | 'none'

const NO_XATTRS = new Map<string, Uint8Array>()

/** The metadata of an operation that makes an entry as it was. A symlink's own mode means nothing. */
export function restoredMetadata(entry: Restorable, owners: Owners): OperationMetadata {
  const { type, mode, uname, gname, mtimeNs, xattrs = NO_XATTRS, devMajor, devMinor } = entry
  const byName = owners === 'name'
  const uid = owners === 'none' ? undefined : entry.uid
  const gid = owners === 'none' ? undefined : entry.gid
  return {
    mode: type === 'symlink' ? undefined : mode,
    uid: (byName && uname !== undefined ? userId(uname) : undefined) ?? uid,
    gid: (byName && gname !== undefined ? groupId(gname) : undefined) ?? gid,
    mtimeNs,
    xattrs,
    devMajor,
    devMinor
  }
}
