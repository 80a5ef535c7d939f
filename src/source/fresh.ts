import { groupName, type StatColumns, userName } from '../native.js'
import type { Entry, Metadata } from '../types.js'
import { DiskContent } from './disk.js'

/** What an open file says of itself. */
export type Fresh = Pick<
  Metadata,
  'mode' | 'uid' | 'gid' | 'uname' | 'gname' | 'mtimeNs' | 'ctimeNs' | 'ino' | 'sizeBytes' | 'sparse'
>

/**
 * The metadata of an entry when its bytes were read: what the file says now, but for what a stage has set to something
 * else than was listed. The bytes alone say how many they are.
 */
export function freshMetadata(entry: Entry, stat: StatColumns, i: number): Fresh {
  const fresh = freshOf(stat, i)
  const listed = entry.content instanceof DiskContent ? entry.content.listed : undefined
  if (listed === undefined) return fresh
  const was = freshOf(listed.stat, listed.index)
  if (isAsListed(entry, was)) return fresh
  return {
    mode: entry.mode === was.mode ? fresh.mode : entry.mode,
    uid: entry.uid === was.uid ? fresh.uid : entry.uid,
    gid: entry.gid === was.gid ? fresh.gid : entry.gid,
    uname: entry.uname === was.uname ? fresh.uname : entry.uname,
    gname: entry.gname === was.gname ? fresh.gname : entry.gname,
    mtimeNs: entry.mtimeNs === was.mtimeNs ? fresh.mtimeNs : entry.mtimeNs,
    ctimeNs: entry.ctimeNs === was.ctimeNs ? fresh.ctimeNs : entry.ctimeNs,
    ino: entry.ino === was.ino ? fresh.ino : entry.ino,
    sizeBytes: fresh.sizeBytes,
    sparse: fresh.sparse
  }
}

function isAsListed(entry: Entry, was: Fresh): boolean {
  return (
    entry.mode === was.mode &&
    entry.uid === was.uid &&
    entry.gid === was.gid &&
    entry.uname === was.uname &&
    entry.gname === was.gname &&
    entry.mtimeNs === was.mtimeNs &&
    entry.ctimeNs === was.ctimeNs &&
    entry.ino === was.ino
  )
}

/** What the columns say of a file. */
export function freshOf(stat: StatColumns, i: number): Fresh {
  const uid = stat.uids[i]!
  const gid = stat.gids[i]!
  return {
    mode: stat.modes[i]! & 0o7777,
    uid,
    gid,
    uname: userName(uid),
    gname: groupName(gid),
    mtimeNs: stat.mtimesNs[i]!,
    ctimeNs: stat.ctimesNs[i]!,
    ino: stat.inos[i]!,
    sizeBytes: stat.sizes[i]!,
    sparse: stat.sparse[i] === 1 || undefined
  }
}
