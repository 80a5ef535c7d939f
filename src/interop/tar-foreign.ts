import { BackupError } from '../errors.js'
import { Records } from '../format/pax-values.js'
import { Field, LONG_FIELD, NAME_BYTES, SHORT_FIELD, type TarHeader, type TarType } from '../format/tar.js'
import {
  corrupt,
  type Extensions,
  OWNER_FIELD,
  sparseSize,
  unsupported,
  untilNul,
  ustarName,
  ustarText
} from '../format/tar-decode-header.js'
import { parseNumber, readNumber } from '../format/tar-fields.js'
import { decodePath, printPath } from '../path.js'
import { foreignXattrs } from './tar-attributes.js'
import { type TarNameOptions, toLinkPath, toPath } from './tar-names.js'

const ID_MAX = 0xffff_ffff
const ID_MIN = -0x8000_0000
const NS_PER_SECOND = 1_000_000_000n
const NS_MAX = 2n ** 63n - 1n
const NS_MIN = -(2n ** 63n)
/** Seconds beyond these are beyond 64 bits of nanoseconds. */
const SECONDS_MAX = 9_223_372_036
const SECONDS_DIGITS = 12
/** A directory of an incremental of GNU tar: its body lists names. */
const DUMP_DIRECTORY = 'D'
const VOLUME_CONTINUED = 'M'
const TYPES: Readonly<Record<string, TarType>> = {
  1: 'link',
  2: 'symlink',
  3: 'character-device',
  4: 'block-device',
  5: 'directory',
  6: 'fifo',
  [DUMP_DIRECTORY]: 'directory'
}
/** Types that never have a body, whatever size their header says: as GNU tar and bsdtar read them. */
const BODILESS = '123456'

/** What a foreign header says, as far as it can be taken over. */
export interface ForeignFacts {
  /** Of an entry that is left out, the path is its name. */
  readonly header: TarHeader
  readonly bodyBytes: number
  /** Why the entry is left out: true if the options ask for that. */
  readonly leftOut: BackupError | true | undefined
  /** What of the entry could not be taken over. */
  readonly losses: readonly string[]
}

/**
 * A header of a tar of any tool, read as GNU tar and bsdtar read it. A type that nobody knows is a file. A time beyond 64
 * bits of nanoseconds is the nearest within; a negative owner is that of 32 bits. A value that is not a number is a
 * loss: the owner is the user who runs this, the time 1970.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT for a size that is none; IBT_UNSUPPORTED_TYPE for a part of several volumes.
 */
export function toForeignFacts(
  block: Uint8Array,
  flag: string,
  extensions: Extensions,
  names: TarNameOptions
): ForeignFacts {
  if (flag === VOLUME_CONTINUED) throw unsupported(`the type ${JSON.stringify(flag)}`)
  const records = new Records(extensions.records)
  const name = decodePath(
    records.bytes('GNU.sparse.name') ?? records.bytes('path') ?? extensions.name ?? ustarName(block)
  )
  const type = TYPES[flag] ?? (name.endsWith('/') ? 'directory' : 'file')
  const fields = new Fields(block, records)
  const bodyBytes = BODILESS.includes(flag) ? 0 : bodySize(block, records)
  const linkname = type === 'symlink' || type === 'link' ? readLinkname(block, records, extensions) : undefined
  const placed = place(name, type, linkname, names)
  const isDevice = type === 'character-device' || type === 'block-device'
  const header = {
    type,
    mode: fields.mode(type),
    uid: fields.id('uid', Field.uid),
    gid: fields.id('gid', Field.gid),
    mtimeNs: fields.time(),
    sizeBytes: type === 'file' ? bodyBytes : 0,
    ...(type === 'file' && sparseSize(records)),
    ...(isDevice && { devMajor: fields.device(Field.devMajor), devMinor: fields.device(Field.devMinor) }),
    ...optional('uname', records.text('uname') ?? ustarText(block, Field.uname, OWNER_FIELD)),
    ...optional('gname', records.text('gname') ?? ustarText(block, Field.gname, OWNER_FIELD)),
    ...optional('comment', records.text('comment') ?? ''),
    ...foreignXattrs(records),
    ...placed.header
  }
  return { header, bodyBytes, leftOut: placed.leftOut, losses: fields.losses }
}

function optional<K extends 'uname' | 'gname' | 'comment'>(
  key: K,
  text: string
): { readonly [P in K]?: string } | undefined {
  return text === '' ? undefined : ({ [key]: text } as { readonly [P in K]?: string })
}

interface PlacedName {
  readonly header: Pick<TarHeader, 'path' | 'linkname'>
  readonly leftOut: BackupError | true | undefined
}

function place(name: string, type: TarType, linkname: string | undefined, names: TarNameOptions): PlacedName {
  try {
    const path = toPath(name, names)
    if (path === undefined) return { header: { path: name }, leftOut: true }
    if (linkname === undefined) return { header: { path }, leftOut: undefined }
    if (linkname === '')
      throw new BackupError('IBT_UNSAFE_PATH', `The link ${printPath(name)} in the tar has no target`)
    const target = type === 'link' ? toLinkPath(linkname, names) : linkname
    // The file that it is a name of was left out.
    if (target === undefined) return { header: { path: name }, leftOut: true }
    return { header: { path, linkname: target }, leftOut: undefined }
  } catch (error) {
    return { header: { path: name }, leftOut: error as BackupError }
  }
}

function readLinkname(block: Uint8Array, records: Records, extensions: Extensions): string {
  const field = untilNul(block.subarray(Field.linkname, Field.linkname + NAME_BYTES))
  return decodePath(records.bytes('linkpath') ?? extensions.linkname ?? field)
}

/** Bytes of a body. */
function bodySize(block: Uint8Array, records: Records): number {
  const pax = records.integer('size', Number.MAX_SAFE_INTEGER)
  const field = pax === undefined || isSizeOfContent(pax, block, records) ? readSize(block) : pax
  if (field < 0) throw corrupt(`has the size ${field}`)
  return field
}

/** Some writers give a sparse file the size of its content, holes and all: the field has that of its body then. */
function isSizeOfContent(sizeBytes: number, block: Uint8Array, records: Records): boolean {
  if (!records.isSparse1 || sizeBytes !== records.integer('GNU.sparse.realsize', Number.MAX_SAFE_INTEGER)) return false
  const field = parseNumber(block, Field.size, LONG_FIELD)
  return field > 0 && field < sizeBytes
}

function readSize(block: Uint8Array): number {
  return readNumber(block, Field.size, LONG_FIELD, 'size')
}

/** The numbers of a header. Losses tell of those that are none. */
class Fields {
  readonly losses: string[] = []

  constructor(
    readonly block: Uint8Array,
    readonly records: Records
  ) {}

  mode(type: TarType): number {
    const mode = parseNumber(this.block, Field.mode, SHORT_FIELD)
    if (Number.isSafeInteger(mode)) return mode & 0o7777
    return this.#lose('mode', type === 'directory' ? 0o755 : 0o644)
  }

  id(field: 'uid' | 'gid', at: number): number {
    const text = this.records.text(field)
    const value = text === undefined ? parseNumber(this.block, at, SHORT_FIELD) : leadingInteger(text)
    if (value >= ID_MIN && value <= ID_MAX) return value >>> 0
    return this.#lose(field, (field === 'uid' ? process.geteuid?.() : process.getegid?.()) ?? 0)
  }

  device(at: number): number {
    const value = parseNumber(this.block, at, SHORT_FIELD)
    return value >= 0 && value <= ID_MAX ? value : this.#lose('device number', 0)
  }

  time(): bigint {
    const text = this.records.text('mtime')
    const found = text === undefined ? undefined : parseTime(text)
    if (text !== undefined && found === undefined) this.#lose('mtime', 0)
    if (found !== undefined) return clampTime(found)
    const seconds = parseNumber(this.block, Field.mtime, LONG_FIELD)
    if (Number.isNaN(seconds)) return BigInt(this.#lose('mtime', 0))
    if (Math.abs(seconds) > SECONDS_MAX) return seconds > 0 ? NS_MAX : NS_MIN
    return BigInt(seconds) * NS_PER_SECOND
  }

  #lose(field: string, instead: number): number {
    this.losses.push(`its ${field} is not a possible number`)
    return instead
  }
}

/** What follows the digits is passed over, as tar does. NaN without digits. */
function leadingInteger(text: string): number {
  return Number.parseInt(/^[+-]?\d{1,15}(?!\d)/.exec(text)?.[0] ?? '', 10)
}

/** Seconds with decimals: those beyond the ninth, and anything that is not a digit, are passed over. */
function parseTime(text: string): bigint | undefined {
  const [match, sign, digits = '', decimals = ''] = /^([+-]?)(\d*)(?:\.(\d*))?/.exec(text)!
  if (match === '' || digits + decimals === '') return undefined
  const seconds = digits.length > SECONDS_DIGITS ? '9'.repeat(SECONDS_DIGITS) : digits || '0'
  const ns = BigInt(seconds) * NS_PER_SECOND + BigInt(decimals.slice(0, 9).padEnd(9, '0'))
  return sign === '-' ? -ns : ns
}

function clampTime(ns: bigint): bigint {
  return ns > NS_MAX ? NS_MAX : ns < NS_MIN ? NS_MIN : ns
}
