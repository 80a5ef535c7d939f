import { BackupError } from '../errors.js'
import { checkPath, comparePaths, encodePath, printPath, ROOT_PATH } from '../path.js'
import type { ArchiveKind, EntryType, Metadata, Place, StateEntry } from '../types.js'
import { DirectoryStack } from './directory-stack.js'

const MODE_MAX = 0o7777
const UINT32_MAX = 0xffff_ffff

export const ENTRY_TYPES: readonly EntryType[] = [
  'file',
  'directory',
  'symlink',
  'fifo',
  'socket',
  'character-device',
  'block-device',
  'unreadable'
]
const KNOWN_TYPES: ReadonlySet<EntryType> = new Set(ENTRY_TYPES)
/** Archives that contents are in. */
export const ARCHIVE_KINDS: readonly ArchiveKind[] = ['full', 'created', 'updated']
const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)
const UINT64_MAX = 2n ** 64n - 1n
const SHA256 = /^[0-9a-f]{64}$/

/** What a state says of an entry, apart from where its content is stored. */
export type Values = Metadata & Pick<StateEntry, 'sha256'>

/** An entry as far as its place in the tree goes. */
export type Placed = Pick<StateEntry, 'path' | 'type'>

/**
 * Checks that the entries of a state, in the order in which they come, can be read back and restored: the root first,
 * path order, no path twice, each entry in a directory of the same state, and no value that the formats cannot hold.
 * It serves the writer, which refuses such entries before anything is published, and `verify`.
 * Memory: the paths of the open directories.
 */
export class EntryCheck {
  readonly #directories = new DirectoryStack()
  #last: string | undefined

  /** `behind`: the entry before the first, whose directories have been checked elsewhere. */
  constructor(behind?: Placed | undefined) {
    if (behind === undefined) return
    const { path, type } = behind
    this.#last = path
    for (let next: string | undefined; (next = this.#directories.nextMissing(path)) !== undefined; ) {
      this.#directories.push(next)
    }
    if (type === 'directory') this.#directories.push(path)
  }

  /** @throws BackupError IBT_OUT_OF_ORDER, IBT_UNSAFE_PATH, IBT_NAME_INVALID, IBT_STATE_INVALID */
  add(entry: StateEntry): void {
    checkEntry(entry)
    const { path, type } = entry
    this.#arrive(path)
    if (type === 'directory') this.#directories.push(path)
    else if (path === ROOT_PATH) throw refused(path, `its root is of type ${type}, not a directory`)
  }

  /**
   * Consecutive entries that are known to be possible, in order and complete, such as those of one listed directory or
   * of lines of a checked state: every directory that leads to `last` and comes after `first` is one of them.
   */
  addSpan(first: string, last: Placed): void {
    const directories = this.#directories
    this.#arrive(first)
    if (last.path !== first) {
      if (first === ROOT_PATH) directories.push(ROOT_PATH)
      this.#checkOrder(last.path)
      directories.leaveFor(last.path)
      for (let next: string | undefined; (next = directories.nextMissing(last.path)) !== undefined; ) {
        if (comparePaths(next, first) < 0) throw noDirectory(last.path)
        directories.push(next)
      }
    }
    if (last.type === 'directory') directories.push(last.path)
  }

  #arrive(path: string): void {
    this.#checkOrder(path)
    this.#directories.leaveFor(path)
    if (this.#directories.nextMissing(path) !== undefined) throw noDirectory(path)
  }

  #checkOrder(path: string): void {
    const last = this.#last
    this.#last = path
    if (last !== undefined) checkPathOrder(last, path)
  }
}

/** @throws BackupError IBT_OUT_OF_ORDER */
export function checkPathOrder(last: string, path: string): void {
  const order = comparePaths(last, path)
  if (order < 0) return
  const how = order === 0 ? 'comes twice' : `comes after ${printPath(last)}, which is not path order`
  throw new BackupError('IBT_OUT_OF_ORDER', `${printPath(path)} ${how}`, { path })
}

function noDirectory(path: string): BackupError {
  return new BackupError('IBT_UNSAFE_PATH', `${printPath(path)} is not in a directory of this backup`, { path })
}

/** @throws BackupError IBT_UNSAFE_PATH, IBT_NAME_INVALID, IBT_STATE_INVALID for an entry that no state can hold */
export function checkEntry(entry: StateEntry): void {
  checkValues(entry)
  const { path, type, sizeBytes, places, signature } = entry
  if (entry.mapped !== undefined) checkText(path, 'mapped', entry.mapped)
  if (type === 'file' && places === undefined && sizeBytes !== undefined && sizeBytes > 0)
    throw refused(path, `nothing was stored of its ${sizeBytes} bytes`)
  if (places !== undefined) for (const place of places) checkPlace(path, place)
  if (signature !== undefined) checkWhole(path, 'offset', signature.offset, Number.MAX_SAFE_INTEGER)
}

function checkPlace(path: string, place: Place): void {
  if (!ARCHIVE_KINDS.includes(place.in)) throw refused(path, `its content is in ${String(place.in)}`)
  checkWhole(path, 'offset', place.offset, Number.MAX_SAFE_INTEGER)
  if (place.path !== undefined) checkPath(place.path)
}

/** Checks that the size of an entry is known or not, before anybody counts with it. @throws BackupError IBT_STATE_INVALID */
export function checkSize({ path, sizeBytes }: Pick<Values, 'path' | 'sizeBytes'>): void {
  if (sizeBytes !== undefined) checkWhole(path, 'sizeBytes', sizeBytes, Number.MAX_SAFE_INTEGER)
}

/**
 * Checks each value of an entry by itself, wherever the entry comes from.
 *
 * @throws BackupError IBT_UNSAFE_PATH, IBT_NAME_INVALID, IBT_STATE_INVALID
 */
export function checkValues(entry: Values): void {
  const { path, type, linkname, uname, gname, xattrs, sha256, link } = entry
  checkPath(path)
  if (!path.isWellFormed()) encodePath(path)
  if (!KNOWN_TYPES.has(type)) throw refused(path, `its type is ${String(type)}`)
  checkWhole(path, 'mode', entry.mode, MODE_MAX)
  checkWhole(path, 'uid', entry.uid, UINT32_MAX)
  checkWhole(path, 'gid', entry.gid, UINT32_MAX)
  checkTime(path, 'mtimeNs', entry.mtimeNs)
  if (entry.ctimeNs !== undefined) checkTime(path, 'ctimeNs', entry.ctimeNs)
  if (entry.ino !== undefined) checkInode(entry)
  checkSize(entry)
  if (link !== undefined) checkWhole(path, 'link', entry.link, Number.MAX_SAFE_INTEGER)
  if (entry.devMajor !== undefined) checkWhole(path, 'devMajor', entry.devMajor, UINT32_MAX)
  if (entry.devMinor !== undefined) checkWhole(path, 'devMinor', entry.devMinor, UINT32_MAX)
  if (uname !== undefined) checkText(path, 'uname', entry.uname)
  if (gname !== undefined) checkText(path, 'gname', entry.gname)
  if (linkname !== undefined) checkText(path, 'linkname', entry.linkname)
  if (linkname === '' || (linkname === undefined && type === 'symlink')) throw refused(path, 'it has no link target')
  if (xattrs !== undefined) checkXattrs(path, xattrs)
  if (sha256 !== undefined && !SHA256.test(sha256)) throw refused(path, 'its sha256 is not 64 hexadecimal digits')
}

function checkWhole(path: string, field: string, value: unknown, max: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return
  throw refused(path, `its ${field} is ${String(value)}, not a whole number up to ${max}`)
}

function checkTime(path: string, field: string, value: unknown): void {
  if (typeof value === 'bigint' && value >= INT64_MIN && value <= INT64_MAX) return
  throw refused(path, `its ${field} is ${String(value)}, not a bigint of 64 bits`)
}

function checkInode({ path, ino }: Values): void {
  if (typeof ino === 'bigint' && ino >= 0n && ino <= UINT64_MAX) return
  throw refused(path, `its ino is ${String(ino)}, not a bigint of 64 bits`)
}

function checkText(path: string, field: string, text: unknown): void {
  if (typeof text !== 'string' || text.includes('\0')) throw refused(path, `its ${field} is not text without NUL`)
  if (!text.isWellFormed()) encodePath(text)
}

function checkXattrs(path: string, xattrs: ReadonlyMap<string, Uint8Array>): void {
  if (!(xattrs instanceof Map)) throw refused(path, 'its xattrs are not a Map')
  for (const [name, value] of xattrs) {
    const isText = typeof name === 'string' && name !== '' && !name.includes('\0')
    if (!isText || !(value instanceof Uint8Array))
      throw refused(path, `its attribute ${printPath(String(name))} is not a valid name or value`)
    encodePath(name)
  }
}

function refused(path: string, why: string): BackupError {
  return new BackupError('IBT_STATE_INVALID', `A state cannot contain ${printPath(path)}: ${why}`, { path })
}
