import { BackupError } from '../errors.js'
import { checkPath, decodePath, printPath, ROOT_PATH } from '../path.js'
import { Records } from './pax-values.js'
import { Field, LONG_FIELD, NAME_BYTES, SHORT_FIELD, type TarHeader, type TarType } from './tar.js'
import { readNumber } from './tar-fields.js'

const ID_MAX = 0xffff_ffff
export const OWNER_FIELD = 32
const PREFIX_BYTES = 155
const NS_PER_SECOND = 1_000_000_000n
const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  0: 'file',
  1: 'link',
  2: 'symlink',
  3: 'character-device',
  4: 'block-device',
  5: 'directory',
  6: 'fifo',
  7: 'file'
}

/** What the records before a header say; these win over its fields. */
export interface Extensions {
  name?: Uint8Array
  linkname?: Uint8Array
  records?: ReadonlyMap<string, Uint8Array>
}

/** A header of a type, with the records before it. Of a sparse file, `sizeBytes` are those of its body. */
export function toHeader(block: Uint8Array, flag: string, extensions: Extensions): TarHeader {
  const records = new Records(extensions.records)
  const known = TYPES[flag]
  if (known === undefined) throw unsupported(`the type ${JSON.stringify(flag)}`)
  const name = decodePath(
    records.bytes('GNU.sparse.name') ?? records.bytes('path') ?? extensions.name ?? ustarName(block)
  )
  const type = known === 'file' && name.endsWith('/') ? 'directory' : known
  const path = cleanPath(name)
  const sizeBytes =
    records.integer('size', Number.MAX_SAFE_INTEGER) ?? readNumber(block, Field.size, LONG_FIELD, 'size')
  if (sizeBytes < 0) throw corrupt(`of the ${type} ${printPath(path)} has the size ${sizeBytes}`)
  const isDevice = type === 'character-device' || type === 'block-device'
  return {
    path,
    type,
    mode: readNumber(block, Field.mode, SHORT_FIELD, 'mode') & 0o7777,
    uid: records.integer('uid', ID_MAX) ?? readId(block, Field.uid, 'uid'),
    gid: records.integer('gid', ID_MAX) ?? readId(block, Field.gid, 'gid'),
    mtimeNs: records.time('mtime') ?? BigInt(readNumber(block, Field.mtime, LONG_FIELD, 'mtime')) * NS_PER_SECOND,
    sizeBytes,
    ...sparseSize(records),
    ...optional('uname', records.text('uname') ?? ustarText(block, Field.uname, OWNER_FIELD)),
    ...optional('gname', records.text('gname') ?? ustarText(block, Field.gname, OWNER_FIELD)),
    ...(type === 'symlink' || type === 'link'
      ? { linkname: readLinkname(block, type, records, extensions) }
      : undefined),
    ...(isDevice && { devMajor: readId(block, Field.devMajor, 'major device number') }),
    ...(isDevice && { devMinor: readId(block, Field.devMinor, 'minor device number') }),
    ...optional('comment', records.text('comment')),
    ...records.xattrs()
  }
}

/** The size of a sparse file, holes and all; nothing for another. @throws BackupError IBT_ARCHIVE_CORRUPT */
export function sparseSize(records: Records): { readonly sparseSizeBytes: number } | undefined {
  if (!records.isSparse) return undefined
  const sparseSizeBytes =
    records.integer('GNU.sparse.realsize', Number.MAX_SAFE_INTEGER) ??
    records.integer('GNU.sparse.size', Number.MAX_SAFE_INTEGER)
  if (sparseSizeBytes === undefined) throw corrupt('of a sparse file does not say its size')
  return { sparseSizeBytes }
}

function optional<K extends 'uname' | 'gname' | 'comment'>(
  key: K,
  text: string | undefined
): { readonly [P in K]?: string } | undefined {
  return text === undefined || text === '' ? undefined : ({ [key]: text } as { readonly [P in K]?: string })
}

function readLinkname(block: Uint8Array, type: TarType, records: Records, extensions: Extensions): string {
  const field = untilNul(block.subarray(Field.linkname, Field.linkname + NAME_BYTES))
  const linkname = decodePath(records.bytes('linkpath') ?? extensions.linkname ?? field)
  if (linkname === '') throw corrupt(`of a ${type} names no target`)
  return type === 'link' ? cleanPath(linkname) : linkname
}

function readId(block: Uint8Array, at: number, field: string): number {
  const value = readNumber(block, at, SHORT_FIELD, field)
  if (value < 0 || value > ID_MAX) throw corrupt(`has ${value} as its ${field}`)
  return value
}

/** The bytes of the name in the fields of a header. */
export function ustarName(block: Uint8Array): Uint8Array {
  const name = untilNul(block.subarray(Field.name, Field.name + NAME_BYTES))
  const isPosix = ustarText(block, Field.magic, 6) === 'ustar'
  const prefix = isPosix ? untilNul(block.subarray(Field.prefix, Field.prefix + PREFIX_BYTES)) : []
  return prefix.length === 0 ? name : Buffer.concat([prefix as Uint8Array, Buffer.from('/'), name])
}

/** The text of a field of a header. */
export function ustarText(block: Uint8Array, at: number, length: number): string {
  return decodePath(untilNul(block.subarray(at, at + length)))
}

/** The bytes of a field or a record up to the first NUL. */
export function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}

/** Paths in tars begin with './' or not, and those of directories end in '/'. */
function cleanPath(name: string): string {
  const path = name.replace(/^(?:\.\/+)+/, '').replace(/\/+$/, '')
  if (path === '' && /^[./]+$/.test(name) && name.startsWith('.')) return ROOT_PATH
  checkPath(path)
  return path
}

export function unsupported(what: string): BackupError {
  return new BackupError('IBT_UNSUPPORTED_TYPE', `A tar header is of ${what}, which is not supported`)
}

export function corrupt(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `A tar header ${what}`)
}
