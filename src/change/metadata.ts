import type { Change, Content, EveryField, Metadata, Packed, StateEntry } from '../types.js'

// Literals, and all of them here: a spread of the same fields takes three to ten times as long, for every entry of every run.

/** The metadata alone, without what a stage added. */
export function metadataOf(entry: Metadata): EveryField<Metadata> {
  return {
    path: entry.path,
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    uname: entry.uname,
    gname: entry.gname,
    mtimeNs: entry.mtimeNs,
    ctimeNs: entry.ctimeNs,
    ino: entry.ino,
    sizeBytes: entry.sizeBytes,
    sparse: entry.sparse,
    linkname: entry.linkname,
    link: entry.link,
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
    xattrs: entry.xattrs,
    mapped: entry.mapped
  }
}

/** An entry that is as its line in the previous state says. */
export function unchangedOf(previous: StateEntry, content: Content | undefined): Change {
  return {
    change: 'unchanged',
    previous,
    content,
    path: previous.path,
    type: previous.type,
    mode: previous.mode,
    uid: previous.uid,
    gid: previous.gid,
    uname: previous.uname,
    gname: previous.gname,
    mtimeNs: previous.mtimeNs,
    ctimeNs: previous.ctimeNs,
    ino: previous.ino,
    sizeBytes: previous.sizeBytes,
    sparse: previous.sparse,
    linkname: previous.linkname,
    link: previous.link,
    devMajor: previous.devMajor,
    devMinor: previous.devMinor,
    xattrs: previous.xattrs,
    mapped: previous.mapped
  }
}

/** As `unchangedOf`, behind `pack`. */
export function packedUnchanged(previous: StateEntry, content: Content | undefined): Packed {
  return {
    item: 'packed',
    state: previous,
    storedBytes: 0,
    change: 'unchanged',
    previous,
    content,
    path: previous.path,
    type: previous.type,
    mode: previous.mode,
    uid: previous.uid,
    gid: previous.gid,
    uname: previous.uname,
    gname: previous.gname,
    mtimeNs: previous.mtimeNs,
    ctimeNs: previous.ctimeNs,
    ino: previous.ino,
    sizeBytes: previous.sizeBytes,
    sparse: previous.sparse,
    linkname: previous.linkname,
    link: previous.link,
    devMajor: previous.devMajor,
    devMinor: previous.devMinor,
    xattrs: previous.xattrs,
    mapped: previous.mapped
  }
}
