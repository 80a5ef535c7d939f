import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import type { Metadata } from '../types.js'
import type { TarHeader } from './tar.js'

/**
 * The tar header of an entry. A body is one only if `overrides` says its size.
 *
 * @throws BackupError IBT_UNSUPPORTED_TYPE for what a tar cannot hold: a socket, an unreadable entry.
 */
export function toTarHeader(entry: Metadata, overrides: Partial<TarHeader> = {}): TarHeader {
  const { path, type, mode, uid, gid, uname, gname, mtimeNs, linkname, devMajor, devMinor, xattrs } = entry
  if (type === 'socket' || type === 'unreadable') {
    throw new BackupError('IBT_UNSUPPORTED_TYPE', `A tar cannot hold ${printPath(path)}: it is ${type}`, { path })
  }
  const metadata = { path, type, mode, uid, gid, uname, gname, mtimeNs, linkname, devMajor, devMinor, xattrs }
  return { ...metadata, sizeBytes: 0, ...overrides }
}
