import type { Fresh } from '../source/fresh.js'
import type { Change, Content, Entry, EveryField, Metadata, Packed, Signed, StateEntry } from '../types.js'

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

/** What `diff` adds to an entry. */
export type ChangeFacts = Pick<Change, 'change' | 'previous' | 'basis' | 'expectedSha256'>

const CREATED: ChangeFacts = { change: 'created' }

/** What `diff` says of an entry that was listed. */
export function changeOf(entry: EveryField<Entry>, facts = CREATED): Change {
  return {
    change: facts.change,
    previous: facts.previous,
    basis: facts.basis,
    expectedSha256: facts.expectedSha256,
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
    mapped: entry.mapped,
    error: entry.error,
    content: entry.content
  }
}

/** A file that was listed, as it was when its bytes were read. */
export function readOf(item: Change, fresh: Fresh, found: Pick<Signed, 'change' | 'dirty' | 'racy' | 'body'>): Signed {
  return {
    change: found.change,
    previous: item.previous,
    basis: item.basis,
    expectedSha256: item.expectedSha256,
    dirty: found.dirty,
    racy: found.racy,
    body: found.body,
    path: item.path,
    type: item.type,
    mode: fresh.mode,
    uid: fresh.uid,
    gid: fresh.gid,
    uname: fresh.uname,
    gname: fresh.gname,
    mtimeNs: fresh.mtimeNs,
    ctimeNs: fresh.ctimeNs,
    ino: fresh.ino,
    sizeBytes: fresh.sizeBytes,
    sparse: fresh.sparse,
    linkname: item.linkname,
    link: item.link,
    devMajor: item.devMajor,
    devMinor: item.devMinor,
    xattrs: item.xattrs,
    mapped: item.mapped,
    error: item.error,
    content: item.content
  }
}

/** An entry that was listed, and read if it is a file of news, behind `pack`. */
export function packedOf(item: Signed, state: StateEntry, storedBytes: number): Packed & Signed {
  return {
    item: 'packed',
    state,
    storedBytes,
    change: item.change,
    previous: item.previous,
    basis: item.basis,
    expectedSha256: item.expectedSha256,
    dirty: item.dirty,
    racy: item.racy,
    body: undefined,
    path: item.path,
    type: item.type,
    mode: item.mode,
    uid: item.uid,
    gid: item.gid,
    uname: item.uname,
    gname: item.gname,
    mtimeNs: item.mtimeNs,
    ctimeNs: item.ctimeNs,
    ino: item.ino,
    sizeBytes: item.sizeBytes,
    sparse: item.sparse,
    linkname: item.linkname,
    link: item.link,
    devMajor: item.devMajor,
    devMinor: item.devMinor,
    xattrs: item.xattrs,
    mapped: item.mapped,
    error: item.error,
    content: item.content
  }
}
