import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import type { Metadata } from '../types.js'
import type { TarHeader } from './tar.js'

/** What an archive says of an entry that the entry itself does not. */
export type HeaderOverrides = Partial<
  Pick<TarHeader, 'path' | 'type' | 'sizeBytes' | 'sparseSizeBytes' | 'linkname' | 'comment'>
>

/**
 * The tar header of an entry. It has a body only if `overrides` say its size. One with a comment is a delta or a signature,
 * and has no attributes: the state has them.
 *
 * @throws BackupError IBT_UNSUPPORTED_TYPE for what a tar cannot hold: a socket, an unreadable entry.
 */
export function toTarHeader(entry: Metadata, overrides: HeaderOverrides = {}): TarHeader {
  const { path, type } = entry
  if (type === 'socket' || type === 'unreadable') {
    throw new BackupError('IBT_UNSUPPORTED_TYPE', `A tar cannot contain ${printPath(path)}: it is ${type}`, { path })
  }
  // One literal: spreads take five times as long, for every entry of every run.
  return {
    path: overrides.path ?? path,
    type: overrides.type ?? type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    uname: entry.uname,
    gname: entry.gname,
    mtimeNs: entry.mtimeNs,
    sizeBytes: overrides.sizeBytes ?? 0,
    sparseSizeBytes: overrides.sparseSizeBytes,
    linkname: overrides.linkname ?? entry.linkname,
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
    comment: overrides.comment,
    xattrs: overrides.comment === undefined ? entry.xattrs : undefined
  }
}
