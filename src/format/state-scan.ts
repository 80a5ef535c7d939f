import type { ArchiveKind, ChainLink, EntryType, EveryField, Place, SignaturePlace, StateEntry } from '../types.js'
import { ARCHIVE_KINDS } from './entry-check.js'
import { rememberLine } from './state-line.js'
import type { Window } from './state-lines.js'
import { bytesOf, choice, DOT, QUOTE, SLASH, StateTokens } from './state-tokens.js'

const COMMA = 0x2c
const MODE_MAX = 0o7777
const UINT32_MAX = 0xffff_ffff
const BLOCK_BYTES = 512

const PATH = bytesOf('{"path":"')
const TYPE = bytesOf(',"type":"')
const MODE = bytesOf(',"mode":')
const UID = bytesOf(',"uid":')
const GID = bytesOf(',"gid":')
const UNAME = bytesOf(',"uname":"')
const GNAME = bytesOf(',"gname":"')
const MTIME = bytesOf(',"mtimeNs":"')
const CTIME = bytesOf(',"ctimeNs":"')
const INO = bytesOf(',"ino":"')
const SIZE = bytesOf(',"sizeBytes":')
const SPARSE = bytesOf(',"sparse":true')
const LINKNAME = bytesOf(',"linkname":"')
const SHA256 = bytesOf(',"sha256":"')
const CONTENT = bytesOf(',"content":[')
const SIGNATURE = bytesOf(',"signature":')
const DIRTY = bytesOf(',"dirty":true')
const CARRIED = bytesOf(',"carried":true')
const RACY = bytesOf(',"racy":true')
const DATE = bytesOf('{"date":')
const IN = bytesOf(',"in":"')
const OFFSET = bytesOf(',"offset":')
const NEXT = bytesOf(',')
const LIST_END = bytesOf(']')
const END = bytesOf('}')
const TYPES = (['file', 'directory', 'symlink', 'fifo', 'socket', 'unreadable'] as const).map(choice)
const KINDS = ARCHIVE_KINDS.map(choice)

/**
 * Reads the lines of entries that are as `encodeStateEntry` writes them, ten times as fast as a parser of JSON.
 *
 * It is not a second reading of the format: whatever is not exactly so (another order of fields, white space, escapes,
 * rare fields, numbers out of range, a path that is unsafe), it leaves to `decodeStateEntry`, which judges.
 * Texts are views of the window: an entry keeps it in memory, but for members of hard-link groups, which tables keep.
 */
export class StateScanner {
  readonly #tokens = new StateTokens()
  wasBehind = false
  /** Where the path of the line before begins, if that was scanned, too. */
  #lastBytes: Uint8Array | undefined
  #lastPath = 0

  constructor(readonly chain: readonly ChainLink[]) {}

  /**
   * The entry of the line from `start` up to the line feed at `end`; undefined if it has to be decoded.
   * `wasBehind` says whether its path is known to come behind that of the line before.
   */
  scan(window: Window, start: number, end: number): StateEntry | undefined {
    const tokens = this.#tokens
    tokens.begin(window, start)
    const entry = this.#entry()
    tokens.expect(END)
    const last = tokens.at
    if (window.bytes[last] === COMMA) tokens.at++
    const isRead = tokens.isCanonical && tokens.at === end
    const path = start + PATH.length
    this.wasBehind =
      isRead && this.#lastBytes !== undefined && isBehind(window.bytes, path, this.#lastBytes, this.#lastPath)
    this.#lastBytes = isRead ? window.bytes : undefined
    this.#lastPath = path
    return isRead ? rememberLine(entry, { window, start, end: last, chain: this.chain }) : undefined
  }

  /** The line at `start` was found to be in order, and not read. */
  pass({ bytes }: Window, start: number): void {
    this.#lastBytes = bytes
    this.#lastPath = start + PATH.length
  }

  #entry(): EveryField<StateEntry> {
    const tokens = this.#tokens
    tokens.expect(PATH)
    const path = tokens.path()
    tokens.expect(TYPE)
    const type: EntryType = tokens.oneOf(TYPES)
    tokens.expect(MODE)
    const mode = tokens.integer(MODE_MAX)
    tokens.expect(UID)
    const uid = tokens.integer(UINT32_MAX)
    tokens.expect(GID)
    const gid = tokens.integer(UINT32_MAX)
    const uname = tokens.has(UNAME) ? tokens.string() : undefined
    const gname = tokens.has(GNAME) ? tokens.string() : undefined
    tokens.expect(MTIME)
    const mtimeNs = tokens.bigint()
    const ctimeNs = tokens.has(CTIME) ? tokens.bigint() : undefined
    const ino = tokens.has(INO) ? tokens.bigint() : undefined
    const sizeBytes = tokens.has(SIZE) ? tokens.integer(Infinity) : undefined
    const sparse = tokens.has(SPARSE) || undefined
    const linkname = tokens.has(LINKNAME) ? tokens.string() : undefined
    if (linkname === '' || (linkname === undefined && type === 'symlink')) tokens.isCanonical = false
    return {
      path,
      type,
      mode,
      uid,
      gid,
      uname,
      gname,
      mtimeNs,
      ctimeNs,
      ino,
      sizeBytes,
      sparse,
      linkname,
      link: undefined,
      devMajor: undefined,
      devMinor: undefined,
      xattrs: undefined,
      mapped: undefined,
      sha256: tokens.has(SHA256) ? tokens.sha256() : undefined,
      places: tokens.has(CONTENT) ? this.#places() : undefined,
      signature: tokens.has(SIGNATURE) ? this.#signature() : undefined,
      signatureDigest: undefined,
      dirty: tokens.has(DIRTY) || undefined,
      carried: tokens.has(CARRIED) || undefined,
      racy: tokens.has(RACY) || undefined,
      expectedSha256: undefined,
      erased: undefined
    }
  }

  #places(): readonly Place[] {
    const places = [this.#place()]
    while (this.#tokens.has(NEXT)) {
      const place = this.#place()
      if (place.in !== 'updated') this.#tokens.isCanonical = false
      places.push(place)
    }
    this.#tokens.expect(LIST_END)
    return places
  }

  #place(): Place {
    const date = this.#date()
    this.#tokens.expect(IN)
    const kind: ArchiveKind = this.#tokens.oneOf(KINDS)
    const offset = this.#offset()
    const sizeBytes = this.#tokens.has(SIZE) ? this.#tokens.integer(Infinity) : undefined
    this.#tokens.expect(END)
    return sizeBytes === undefined ? { date, in: kind, offset } : { date, in: kind, offset, sizeBytes }
  }

  #signature(): SignaturePlace {
    const place = { date: this.#date(), offset: this.#offset() }
    this.#tokens.expect(END)
    return place
  }

  #date(): string {
    this.#tokens.expect(DATE)
    const link = this.chain[this.#tokens.integer(this.chain.length - 1)]
    return link === undefined ? this.#tokens.refuse('') : link.date
  }

  #offset(): number {
    this.#tokens.expect(OFFSET)
    const offset = this.#tokens.integer(Infinity)
    return offset % BLOCK_BYTES === 0 ? offset : this.#tokens.refuse(0)
  }
}

/** Whether path `a` comes behind path `b`, as `comparePaths` says; false may also mean that one is the root. */
function isBehind(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number): boolean {
  let i = 0
  while (a[aStart + i] === b[bStart + i] && a[aStart + i] !== QUOTE) i++
  const x = a[aStart + i]!
  const y = b[bStart + i]!
  if (x === QUOTE || (i === 0 && (x === DOT || y === DOT))) return false
  return y === QUOTE || (x !== SLASH && (y === SLASH || x > y))
}
