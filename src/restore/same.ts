import type { Metadata } from '../types.js'
import type { Existing } from './existing.js'
import type { OperationMetadata } from './operations.js'

/** Whether what is there is the entry, but for its metadata. Of a file's content this says nothing. */
export function isSameThing(entry: Metadata, there: Existing): boolean {
  if (entry.type !== there.type) return false
  if (entry.type === 'file') return entry.sizeBytes === there.sizeBytes
  if (entry.type === 'symlink') return entry.linkname === there.linkname
  const isDevice = entry.type === 'character-device' || entry.type === 'block-device'
  return !isDevice || (entry.devMajor === there.devMajor && entry.devMinor === there.devMinor)
}

/** Whether what is there has all the metadata that an operation would set. */
export function hasMetadata(there: Existing, { mode, uid, gid, mtimeNs, xattrs }: OperationMetadata): boolean {
  return (
    (mode === undefined || mode === there.mode) &&
    (uid === undefined || uid === there.uid) &&
    (gid === undefined || gid === there.gid) &&
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

/** What `set_xattrs` of the addon removes if the backup does not have it. */
const OURS = /^(?:user\.|trusted\.|system\.posix_acl_|security\.capability$)/
