import { ROOT_PATH } from '../path.js'
import type { ArchiveKind, ChainLink, EntryType, EveryField, Place, SignaturePlace, StateEntry } from '../types.js'
import { rememberLine } from './state-line.js'
import { Window } from './state-lines.js'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const SLASH = 0x2f
const DOT = 0x2e
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39
const SPACE = 0x20
const MODE_MAX = 0o7777
const UINT32_MAX = 0xffff_ffff
const BLOCK_BYTES = 512
const SHA256_DIGITS = 64
/** Digits of a number that is a safe integer whatever they are. */
const SAFE_DIGITS = 15
/** Digits of a number of 64 bits, unless the first is a nine. */
const BIGINT_DIGITS = 19
const LOW_DIGITS = 9
const BILLION = 1_000_000_000

const whole = new BigInt64Array(1)
const halves = new Uint32Array(whole.buffer)
const LOW_HALF = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1

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
const KINDS = (['full', 'created', 'updated'] as const).map(choice)

/** By byte: whether it is none of the digits of a digest. A table costs half as much as comparisons. */
const NOT_HEX = Uint8Array.from({ length: 256 }, (_, byte) => (/[0-9a-f]/.test(String.fromCharCode(byte)) ? 0 : 1))

interface Choice<T extends string> {
  readonly value: T
  readonly bytes: Uint8Array
}

function choice<T extends string>(value: T): Choice<T> {
  return { value, bytes: bytesOf(`${value}"`) }
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

/**
 * Reads the lines of entries that are as `encodeStateEntry` writes them, ten times as fast as a parser of JSON.
 *
 * It is not a second reading of the format: whatever is not exactly so (another order of fields, white space, escapes,
 * rare fields, numbers out of range, a path that is unsafe), it leaves to `decodeStateEntry`, which judges.
 * Texts are views of the window: an entry keeps it in memory, but for members of hard-link groups, which tables keep.
 */
export class StateScanner {
  #window = new Window(Buffer.alloc(0))
  #bytes: Uint8Array = this.#window.bytes
  #at = 0
  #isCanonical = true
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
    this.#window = window
    this.#bytes = window.bytes
    this.#at = start
    this.#isCanonical = true
    const entry = this.#entry()
    this.#expect(END)
    const last = this.#at
    if (this.#bytes[last] === COMMA) this.#at++
    const isRead = this.#isCanonical && this.#at === end
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
    this.#expect(PATH)
    const path = this.#path()
    this.#expect(TYPE)
    const type: EntryType = this.#oneOf(TYPES)
    this.#expect(MODE)
    const mode = this.#integer(MODE_MAX)
    this.#expect(UID)
    const uid = this.#integer(UINT32_MAX)
    this.#expect(GID)
    const gid = this.#integer(UINT32_MAX)
    const uname = this.#has(UNAME) ? this.#string() : undefined
    const gname = this.#has(GNAME) ? this.#string() : undefined
    this.#expect(MTIME)
    const mtimeNs = this.#bigint()
    const ctimeNs = this.#has(CTIME) ? this.#bigint() : undefined
    const ino = this.#has(INO) ? this.#bigint() : undefined
    const sizeBytes = this.#has(SIZE) ? this.#integer(Infinity) : undefined
    const sparse = this.#has(SPARSE) || undefined
    const linkname = this.#has(LINKNAME) ? this.#string() : undefined
    if (linkname === '' || (linkname === undefined && type === 'symlink')) this.#isCanonical = false
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
      sha256: this.#has(SHA256) ? this.#sha256() : undefined,
      places: this.#has(CONTENT) ? this.#places() : undefined,
      signature: this.#has(SIGNATURE) ? this.#signature() : undefined,
      signatureDigest: undefined,
      dirty: this.#has(DIRTY) || undefined,
      carried: this.#has(CARRIED) || undefined,
      racy: this.#has(RACY) || undefined,
      expectedSha256: undefined,
      erased: undefined
    }
  }

  #places(): readonly Place[] {
    const places = [this.#place()]
    while (this.#has(NEXT)) {
      const place = this.#place()
      if (place.in !== 'updated') this.#isCanonical = false
      places.push(place)
    }
    this.#expect(LIST_END)
    return places
  }

  #place(): Place {
    const date = this.#date()
    this.#expect(IN)
    const kind: ArchiveKind = this.#oneOf(KINDS)
    const offset = this.#offset()
    const sizeBytes = this.#has(SIZE) ? this.#integer(Infinity) : undefined
    this.#expect(END)
    return sizeBytes === undefined ? { date, in: kind, offset } : { date, in: kind, offset, sizeBytes }
  }

  #signature(): SignaturePlace {
    const place = { date: this.#date(), offset: this.#offset() }
    this.#expect(END)
    return place
  }

  #date(): string {
    this.#expect(DATE)
    const link = this.chain[this.#integer(this.chain.length - 1)]
    return link === undefined ? this.#refuse('') : link.date
  }

  #offset(): number {
    this.#expect(OFFSET)
    const offset = this.#integer(Infinity)
    return offset % BLOCK_BYTES === 0 ? offset : this.#refuse(0)
  }

  /** Whether the literal is next; if so, goes behind it. */
  #has(literal: Uint8Array): boolean {
    const bytes = this.#bytes
    const at = this.#at
    for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false
    this.#at = at + literal.length
    return true
  }

  #expect(literal: Uint8Array): void {
    if (!this.#has(literal)) this.#isCanonical = false
  }

  #refuse<T>(value: T): T {
    this.#isCanonical = false
    return value
  }

  #oneOf<T extends string>(choices: readonly Choice<T>[]): T {
    for (const { value, bytes } of choices) if (this.#has(bytes)) return value
    return this.#refuse(choices[0]!.value)
  }

  #integer(max: number): number {
    const bytes = this.#bytes
    const start = this.#at
    let at = start
    let value = 0
    for (let byte = bytes[at]!; byte >= ZERO && byte <= NINE; byte = bytes[++at]!) value = value * 10 + byte - ZERO
    this.#at = at
    const digits = at - start
    const isPlain = digits > 0 && digits <= SAFE_DIGITS && (bytes[start] !== ZERO || digits === 1) && value <= max
    return isPlain ? value : this.#refuse(0)
  }

  /** A whole number of 64 bits, up to its quote. */
  #bigint(): bigint {
    const bytes = this.#bytes
    const isNegative = bytes[this.#at] === MINUS
    const start = isNegative ? this.#at + 1 : this.#at
    let end = start
    while (bytes[end]! >= ZERO && bytes[end]! <= NINE) end++
    this.#at = end + 1
    const digits = end - start
    const fits = digits > 0 && (digits < BIGINT_DIGITS || (digits === BIGINT_DIGITS && bytes[start]! < NINE))
    if (!fits || bytes[end] !== QUOTE) return this.#refuse(0n)
    const border = Math.max(start, end - LOW_DIGITS)
    const value = joinBigint(digitsOf(bytes, start, border), digitsOf(bytes, border, end))
    return isNegative ? -value : value
  }

  #sha256(): string {
    const bytes = this.#bytes
    const start = this.#at
    const end = start + SHA256_DIGITS
    this.#at = end + 1
    let others = 0
    for (let i = start; i < end; i++) others |= NOT_HEX[bytes[i]!]!
    if (others !== 0 || bytes[end] !== QUOTE) return this.#refuse('')
    return this.#window.text.slice(start, end)
  }

  /** Text without escapes, up to its quote. */
  #string(): string {
    const bytes = this.#bytes
    const start = this.#at
    let at = start
    let all = 0
    for (let byte = bytes[at]!; byte !== QUOTE; byte = bytes[++at]!) {
      if (!(byte >= SPACE) || byte === BACKSLASH) return this.#refuse('')
      all |= byte
    }
    return this.#text(start, at, all)
  }

  /** As `#string`, but that no part is empty, '.' or '..'. */
  #path(): string {
    const bytes = this.#bytes
    const start = this.#at
    let at = start
    let part = start
    let all = 0
    for (let byte = bytes[at]!; ; byte = bytes[++at]!) {
      if (byte === SLASH || byte === QUOTE) {
        if (isDots(bytes, part, at)) return this.#pathOfRoot(start, at)
        if (byte === QUOTE) return this.#text(start, at, all)
        part = at + 1
      }
      if (!(byte >= SPACE) || byte === BACKSLASH) return this.#refuse('')
      all |= byte
    }
  }

  /** The only path with such a part. */
  #pathOfRoot(start: number, end: number): string {
    const isRoot = end === start + 1 && this.#bytes[end] === QUOTE && this.#bytes[start] === DOT
    this.#at = end + 1
    return isRoot ? ROOT_PATH : this.#refuse('')
  }

  #text(start: number, end: number, all: number): string {
    this.#at = end + 1
    const { bytes, text } = this.#window
    return all < 0x80 ? text.slice(start, end) : bytes.toString('utf8', start, end)
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

/** Whether a part of a path is empty, '.' or '..'. */
function isDots(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  return length === 0 || (length <= 2 && bytes[start] === DOT && bytes[end - 1] === DOT)
}

function digitsOf(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) value = value * 10 + bytes[at]! - ZERO
  return value
}

/** high * 1e9 + low, put together from halves of 32 bits: half the time of arithmetic on bigints. */
function joinBigint(high: number, low: number): bigint {
  const lowHalf = (Math.imul(high | 0, BILLION) + low) >>> 0
  halves[LOW_HALF] = lowHalf
  // The quotient is whole but for what a double of the product lacks, which is far below one half.
  halves[1 - LOW_HALF] = Math.round((high * BILLION + low - lowHalf) / 2 ** 32)
  return whole[0]!
}
