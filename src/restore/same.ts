import type { Metadata } from '../types.js'
import type { Existing } from './existing.js'
import { isWithheld, type Owners, type Restorable, restoredMetadata, withoutPrivileges } from './restored.js'

/** Whether what is there is the entry, apart from its metadata. It does not look at the content of a file. */
export function isSameThing(entry: Metadata, there: Existing): boolean {
  if (entry.type !== there.type) return false
  if (entry.type === 'file') return entry.sizeBytes === there.sizeBytes
  if (entry.type === 'symlink') return entry.linkname === there.linkname
  const isDevice = entry.type === 'character-device' || entry.type === 'block-device'
  return !isDevice || (entry.devMajor === there.devMajor && entry.devMinor === there.devMinor)
}

/** Whether what is there has all the metadata that an operation would set for the entry. */
export function hasMetadata(entry: Restorable, there: Existing, owners: Owners): boolean {
  const wanted = restoredMetadata(entry, owners)
  const { mode, uid, gid, mtimeNs, xattrs } = isWithheld(entry, wanted, there, owners)
    ? withoutPrivileges(wanted)
    : wanted
  const hasOwner = (uid === undefined || uid === there.uid) && (gid === undefined || gid === there.gid)
  return (
    (mode === undefined || mode === there.mode) &&
    (owners === 'none' || hasOwner) &&
    (mtimeNs === undefined || mtimeNs === there.mtimeNs) &&
    (xattrs === undefined || hasXattrs(there.xattrs ?? new Map(), xattrs))
  )
}

function hasXattrs(there: NonNullable<Metadata['xattrs']>, wanted: NonNullable<Metadata['xattrs']>): boolean {
  for (const [name, value] of wanted) {
    const found = there.get(name)
    if (found === undefined || Buffer.compare(found, value) !== 0) return false
  }
  return ![...there.keys()].some(name => !wanted.has(name) && OURS.test(name))
}

/** The attributes that the addon removes if the backup does not have them: see `is_ours` in native/fs/set_xattrs.cc. */
const OURS = /^(?:user\.|trusted\.|system\.posix_acl_|security\.capability$)/
