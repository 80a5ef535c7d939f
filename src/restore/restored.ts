import { groupId, userId } from '../native.js'
import type { ChangeKind, Entry, StateEntry } from '../types.js'
import type { Existing } from './existing.js'
import type { OperationMetadata } from './operations.js'

/** An entry with what its state says about it. */
export type Restorable = Entry & Pick<StateEntry, 'sha256' | 'dirty' | 'racy' | 'carried' | 'expectedSha256' | 'erased'>

/** What becomes of one entry. All operations that are done for it share it. */
export class Restoration {
  status: 'pending' | 'there' | 'failed' = 'pending'
  /** Nothing had to be written for it, or nothing was allowed to be. */
  isUnchanged = false
  /** What is there stays, with other metadata. */
  isTouched = false
  /** Of the content that is written for it. */
  sizeBytes = 0
  /** Of these, bytes in blocks that are shared with the old version. */
  sharedBytes = 0

  constructor(
    readonly entry: Restorable,
    /** What has its name. */
    readonly there?: Existing | undefined
  ) {}

  get change(): ChangeKind {
    if (this.isUnchanged) return 'unchanged'
    if (this.there === undefined) return 'created'
    return this.isTouched ? 'touched' : 'updated'
  }
}

/** Owners by the name that the backup has, by number, or not at all. */
export type Owners = 'name' | 'number' | 'none'

const NO_XATTRS = new Map<string, Uint8Array>()
const CAPABILITY = 'security.capability'
const PRIVILEGES = 0o6000

/** The metadata of an operation that makes an entry as it was. The mode of a symlink has no meaning. */
export function restoredMetadata(entry: Restorable, owners: Owners): OperationMetadata {
  const { type, mode, mtimeNs, xattrs = NO_XATTRS, devMajor, devMinor } = entry
  const isOwned = owners !== 'none' || hasPrivileges(entry)
  return {
    mode: type === 'symlink' ? undefined : mode,
    uid: isOwned ? ownerOf(entry.uname, entry.uid, userId, owners) : undefined,
    gid: isOwned ? ownerOf(entry.gname, entry.gid, groupId, owners) : undefined,
    mtimeNs,
    xattrs,
    devMajor,
    devMinor
  }
}

/** Whether it is a program that runs with rights that its user does not have. */
function hasPrivileges({ type, mode, xattrs }: Restorable): boolean {
  return type === 'file' && ((mode & PRIVILEGES) !== 0 || xattrs?.has(CAPABILITY) === true)
}

/** Whether a file that keeps its owner does not get privileges: somebody else's would run with the rights of its new owner. */
export function isWithheld(
  entry: Restorable,
  { uid, gid }: OperationMetadata,
  there: { readonly uid: number; readonly gid: number },
  owners: Owners
): boolean {
  return owners === 'none' && hasPrivileges(entry) && (uid !== there.uid || gid !== there.gid)
}

/** The metadata of a file from which its privileges are withheld. */
export function withoutPrivileges({ mode, xattrs, ...rest }: OperationMetadata): OperationMetadata {
  const others = new Map(xattrs)
  others.delete(CAPABILITY)
  return { ...rest, mode: mode === undefined ? undefined : mode & ~PRIVILEGES, xattrs: others }
}

/** Where owners are not set, a name that is not known here is nobody's: its number may be somebody else's. */
function ownerOf(
  name: string | undefined,
  number: number,
  find: (name: string) => number | undefined,
  owners: Owners
): number | undefined {
  if (name === undefined || owners === 'number') return number
  return find(name) ?? (owners === 'none' ? undefined : number)
}
