import type { ChangeKind, Metadata, StateEntry } from '../types.js'

/**
 * Which facts prove that a content has not changed: all of them, but for those that are false.
 * The type always counts: what is of another type is another entry.
 */
export interface ChangeDetection {
  /** Compare the bytes of a file. Without it a file that is not read keeps the size and the content it had. */
  readonly size?: boolean | undefined
  /** Compare the time of the last change of the content. */
  readonly mtime?: boolean | undefined
  /** Compare the time of the last change of the inode. */
  readonly ctime?: boolean | undefined
  /** Compare the inode's number. */
  readonly inode?: boolean | undefined
  /** Believe no metadata: read and compare every file. */
  readonly checksum?: boolean | undefined
}

/**
 * What an entry is against the same path in the previous state, as far as metadata tell.
 * A file is `updated` here if its content has to be looked at; `settleChange` has the last word.
 */
export function compareEntry(entry: Metadata, previous: StateEntry, detection: ChangeDetection = {}): ChangeKind {
  if (entry.type !== previous.type) return 'created'
  if (entry.type === 'file' && !isContentProven(entry, previous, detection)) return 'updated'
  if (entry.linkname !== previous.linkname) return 'updated'
  if (entry.devMajor !== previous.devMajor || entry.devMinor !== previous.devMinor) return 'updated'
  return sameMetadata(entry, previous) ? 'unchanged' : 'touched'
}

/** What a file that was looked at is, its digest known. */
export function settleChange(entry: Metadata, previous: StateEntry, sha256: string): ChangeKind {
  if (entry.type !== previous.type) return 'created'
  if (sha256 !== previous.sha256) return 'updated'
  return sameMetadata(entry, previous) ? 'unchanged' : 'touched'
}

function isContentProven(entry: Metadata, previous: StateEntry, detection: ChangeDetection): boolean {
  const { size = true, mtime = true, ctime = true, inode = true, checksum = false } = detection
  if (checksum || previous.dirty || previous.racy || previous.places === undefined) return false
  if (entry.mapped !== previous.mapped) return false
  // That of the source is a part of what was compared already.
  if (size && entry.mapped === undefined && entry.sizeBytes !== previous.sizeBytes) return false
  if (mtime && entry.mtimeNs !== previous.mtimeNs) return false
  return !(ctime && differ(entry.ctimeNs, previous.ctimeNs)) && !(inode && differ(entry.ino, previous.ino))
}

/** Whether a file that is unchanged had to be read for nothing but its ctime or inode, as in a copied source. */
export function isMoved(entry: Metadata, previous: StateEntry, detection: ChangeDetection = {}): boolean {
  const { ctime = true, inode = true, checksum = false } = detection
  if (checksum || previous.dirty || previous.racy) return false
  return (ctime && differ(entry.ctimeNs, previous.ctimeNs)) || (inode && differ(entry.ino, previous.ino))
}

/** A source without such a fact (a tar) proves nothing by it. */
function differ(a: bigint | undefined, b: bigint | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b
}

function sameMetadata(a: Metadata, b: Metadata): boolean {
  return (
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mtimeNs === b.mtimeNs &&
    a.uname === b.uname &&
    a.gname === b.gname &&
    sameXattrs(a.xattrs, b.xattrs)
  )
}

function sameXattrs(a: Metadata['xattrs'], b: Metadata['xattrs']): boolean {
  if ((a?.size ?? 0) !== (b?.size ?? 0)) return false
  for (const [name, value] of a ?? []) {
    const other = b?.get(name)
    if (other === undefined || Buffer.compare(value, other) !== 0) return false
  }
  return true
}
