import { BackupError } from '../errors.js'
import { isBatch } from '../flow/batches.js'
import { type JoinableBatch, stamp } from '../flow/gather.js'
import { FileType, groupName, type Listing, systemError, userName } from '../native.js'
import { decodePath, encodePath, joinPath, printPath, ROOT_PATH } from '../path.js'
import type { Rules } from '../rules.js'
import { type Batched, batchOf, type Entry, type EntryType, type EveryField } from '../types.js'
import { DiskContent } from './disk.js'

/** What a listing's types are; undefined for a type that no backup knows. */
export const ENTRY_TYPES: Readonly<Record<number, EntryType>> = {
  [FileType.file]: 'file',
  [FileType.directory]: 'directory',
  [FileType.symlink]: 'symlink',
  [FileType.fifo]: 'fifo',
  [FileType.socket]: 'socket',
  [FileType.characterDevice]: 'character-device',
  [FileType.blockDevice]: 'block-device'
}

/** Of an entry that was listed: one that has more has been given them by a stage. */
const ENTRY_FIELDS = 20

/** A name between two NULs can be decoded with its neighbours: no sequence of bytes crosses a NUL. */
export function splitNames(names: Buffer): string[] {
  return names.length === 0 ? [] : decodePath(names.subarray(0, -1)).split('\0')
}

/** What is reported of an entry that is backed up without some of its extended attributes. */
export function xattrError(path: string, errno: number | undefined): BackupError | undefined {
  if (errno === undefined) return undefined
  const message = `Cannot read all extended attributes of ${printPath(path)}`
  return new BackupError('IBT_READ_FAILED', message, { path, cause: systemError(errno, 'getxattr', path) })
}

function captureError(path: string, errno: number | undefined): BackupError | undefined {
  if (errno === undefined) return undefined
  const message = `The ignore file ${printPath(path)} is a link that does not lead to a readable file: its patterns do not count`
  return new BackupError('IBT_READ_FAILED', message, { path, cause: systemError(errno, 'open', path) })
}

/** A directory of the source as it was listed. Memory: about 150 bytes an entry. */
export class ListedDirectory {
  readonly names: readonly string[]
  /** Bytes of the path; none for the root. */
  readonly pathBytes: Uint8Array
  #linknames: readonly string[] | undefined

  constructor(
    /** Bytes of the root's absolute path. */
    readonly root: Uint8Array,
    readonly path: string,
    readonly listing: Listing,
    /** What it was listed by, if by rules: nothing that they exclude is in a span. */
    readonly rules?: Rules
  ) {
    this.names = splitNames(listing.names)
    this.pathBytes = path === ROOT_PATH ? Buffer.alloc(0) : encodePath(path)
  }

  pathOf(i: number): string {
    return joinPath(this.path, this.names[i]!)
  }

  /** An entry's place in the tree, and what it is. */
  placed(i: number): { readonly path: string; readonly type: EntryType } {
    return { path: this.pathOf(i), type: this.typeOf(i)! }
  }

  /** Undefined for a type that no backup knows. */
  typeOf(i: number): EntryType | undefined {
    return ENTRY_TYPES[this.listing.types[i]!]
  }

  /** Whether its metadata could be read and nothing is special about it: no links to it, no attributes, no device. */
  isPlain(i: number): boolean {
    const { types, nlinks, errnos, xattrs, xattrErrnos, captureErrnos } = this.listing
    const type = types[i]
    const isAlone =
      type === FileType.directory || ((type === FileType.file || type === FileType.symlink) && nlinks[i] === 1)
    return isAlone && errnos[i] === 0 && !xattrs.has(i) && !xattrErrnos.has(i) && !captureErrnos.has(i)
  }

  /** An entry whose metadata could be read. `link`: the ordinal of its hard-link group. */
  entry(i: number, link?: number): EveryField<Entry> {
    const { listing } = this
    const path = this.pathOf(i)
    const type = this.typeOf(i)!
    const uid = listing.uids[i]!
    const gid = listing.gids[i]!
    const isDevice = type === 'character-device' || type === 'block-device'
    return {
      path,
      type,
      mode: listing.modes[i]! & 0o7777,
      uid,
      gid,
      uname: userName(uid),
      gname: groupName(gid),
      mtimeNs: listing.mtimesNs[i]!,
      ctimeNs: listing.ctimesNs[i]!,
      ino: listing.inos[i]!,
      sizeBytes: type === 'file' ? listing.sizes[i]! : undefined,
      sparse: listing.sparse[i] === 1 || undefined,
      linkname: type === 'symlink' ? this.linknameOf(i) : undefined,
      link,
      devMajor: isDevice ? listing.devMajors[i] : undefined,
      devMinor: isDevice ? listing.devMinors[i] : undefined,
      xattrs: listing.xattrs.get(i),
      mapped: undefined,
      error: captureError(path, listing.captureErrnos.get(i)) ?? xattrError(path, listing.xattrErrnos.get(i)),
      content: type === 'file' ? new DiskContent(this.root, path, { stat: listing, index: i }) : undefined
    }
  }

  linknameOf(i: number): string {
    this.#linknames ??= splitNames(this.listing.linknames)
    return this.#linknames[i]!
  }
}

/**
 * Plain entries of one directory in a row, from `begin` up to `end`, as they were listed: an object is made only of one
 * that somebody looks at. Memory: the listing.
 */
export class ListedSpan implements JoinableBatch<Entry> {
  readonly [batchOf] = 'listed'

  constructor(
    readonly directory: ListedDirectory,
    readonly begin: number,
    readonly end: number
  ) {}

  get length(): number {
    return this.end - this.begin
  }

  *[Symbol.iterator](): Generator<Entry, void, undefined> {
    for (let i = this.begin; i < this.end; i++) yield stamp(this.directory.entry(i), this, i)
  }

  says(i: number, entry: Entry): boolean {
    const { directory } = this
    const { listing } = directory
    const isFile = listing.types[i] === FileType.file
    return (
      entry.type === directory.typeOf(i) &&
      entry.mode === (listing.modes[i]! & 0o7777) &&
      entry.uid === listing.uids[i] &&
      entry.gid === listing.gids[i] &&
      entry.uname === userName(entry.uid) &&
      entry.gname === groupName(entry.gid) &&
      entry.mtimeNs === listing.mtimesNs[i] &&
      entry.ctimeNs === listing.ctimesNs[i] &&
      entry.ino === listing.inos[i] &&
      entry.sizeBytes === (isFile ? listing.sizes[i] : undefined) &&
      entry.sparse === (listing.sparse[i] === 1 || undefined) &&
      (isFile ? isContentOf(entry.content, directory, i) : entry.content === undefined) &&
      (entry.type !== 'symlink' || entry.linkname === directory.linknameOf(i)) &&
      entry.link === undefined &&
      entry.xattrs === undefined &&
      entry.error === undefined &&
      entry.mapped === undefined &&
      Object.keys(entry).length === ENTRY_FIELDS &&
      entry.path === directory.pathOf(i)
    )
  }

  slice(begin: number, end: number): ListedSpan {
    return new ListedSpan(this.directory, begin, end)
  }
}

/** Tells a `ListedSpan` from other batches, and from items. */
export function isListedSpan(item: Batched<object>): item is ListedSpan {
  return isBatch(item) && item[batchOf] === 'listed'
}

function isContentOf(content: Entry['content'], { listing }: ListedDirectory, i: number): boolean {
  return content instanceof DiskContent && content.listed?.stat === listing && content.listed.index === i
}
