import type { ChangeKind, ContentDigests, EntryType, Metadata, StateEntry } from '../types.js'

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

/** What an entry says otherwise than the previous state, as bits; native/state/line_matcher.h finds them in columns. */
export const Difference = { size: 1, mtime: 2, ctime: 4, inode: 8, linkname: 16, metadata: 32 } as const

/** What every change of a content changes, unless somebody restores the time. */
export const CONTENT_FACTS = Difference.size | Difference.mtime

/**
 * What an entry is against the same path in the previous state, as far as metadata tell.
 * A file is `updated` here if its content has to be looked at; `kindOfRead` has the last word.
 */
export function compareEntry(entry: Metadata, previous: StateEntry, detection: ChangeDetection = {}): ChangeKind {
  if (entry.type !== previous.type) return 'created'
  if (entry.devMajor !== previous.devMajor || entry.devMinor !== previous.devMinor) return 'updated'
  const isInDoubt = previous.dirty || previous.racy || previous.places === undefined || entry.mapped !== previous.mapped
  if (entry.type === 'file' && isInDoubt) return 'updated'
  return kindOf(entry.type, differencesOf(entry, previous), detection)
}

/** The kind of a change between entries of one type, of which the content of a file is not in doubt. */
export function kindOf(type: EntryType, differences: number, detection: ChangeDetection): ChangeKind {
  if (type === 'file' && (detection.checksum || differences & contentDifferences(detection))) return 'updated'
  return differences & Difference.linkname ? 'updated' : kindOfSame(differences)
}

/** What a file that was looked at is, its digest known. */
export function kindOfRead(entry: Metadata, previous: StateEntry, found: ContentDigests): ChangeKind {
  if (entry.type !== previous.type) return 'created'
  if (!isSameContent(found, previous)) return 'updated'
  return entry.mtimeNs === previous.mtimeNs && sameMetadata(entry, previous) ? 'unchanged' : 'touched'
}

/** Whether two contents are the same, as far as both are known by one kind of digest. */
export function isSameContent(a: ContentDigests, b: ContentDigests): boolean {
  if (a.sha256 && b.sha256) return a.sha256 === b.sha256
  const [one, other] = [a.signatureDigest, b.signatureDigest]
  if (one === undefined || other === undefined) return false
  return one.sha256 === other.sha256 && one.blockLen === other.blockLen && one.strongLen === other.strongLen
}

/** Whether anything is known that a content can be compared by. */
export function hasDigest({ sha256, signatureDigest }: ContentDigests): boolean {
  return sha256 !== undefined || signatureDigest !== undefined
}

/**
 * What the content of a file should be that is read though its size and mtime say that nothing has changed: that of
 * before, or, if that was suspected already, the one before it. A new ctime does not clear it: a restored mtime needs one.
 */
export function expectedDigest(entry: Metadata, previous: StateEntry): string | undefined {
  const { dirty, racy, sha256, expectedSha256 = sha256 } = previous
  const isInDoubt = dirty || racy || entry.mapped !== undefined || previous.mapped !== undefined
  const isExpected = entry.type === 'file' && previous.type === 'file' && !isInDoubt
  return isExpected && !(differencesOf(entry, previous) & CONTENT_FACTS) ? expectedSha256 : undefined
}

/** The kind of a change of an entry whose content is that of before. */
export function kindOfSame(differences: number): ChangeKind {
  return differences & (Difference.mtime | Difference.metadata) ? 'touched' : 'unchanged'
}

/** The facts that disprove that a content is the same. */
function contentDifferences({ size = true, mtime = true, ctime = true, inode = true }: ChangeDetection): number {
  return (
    (size ? Difference.size : 0) |
    (mtime ? Difference.mtime : 0) |
    (ctime ? Difference.ctime : 0) |
    (inode ? Difference.inode : 0)
  )
}

function differencesOf(entry: Metadata, previous: StateEntry): number {
  return (
    // That of the source is a part of what maps a content.
    (entry.mapped !== undefined || entry.sizeBytes === previous.sizeBytes ? 0 : Difference.size) |
    (entry.mtimeNs === previous.mtimeNs ? 0 : Difference.mtime) |
    (differ(entry.ctimeNs, previous.ctimeNs) ? Difference.ctime : 0) |
    (differ(entry.ino, previous.ino) ? Difference.inode : 0) |
    (entry.linkname === previous.linkname ? 0 : Difference.linkname) |
    (sameMetadata(entry, previous) ? 0 : Difference.metadata)
  )
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
