import { decodePath, printPath } from '../path.js'
import { badRecord } from './pax.js'

const XATTR = 'SCHILY.xattr.'
const NS_PER_SECOND = 1_000_000_000n

/** The values of PAX records by type. An empty one takes its record back. Getters throw BackupError IBT_ARCHIVE_CORRUPT. */
export class Records {
  constructor(readonly records: ReadonlyMap<string, Uint8Array> = new Map()) {}

  get isSparse(): boolean {
    return [...this.records.keys()].some(key => key.startsWith('GNU.sparse.'))
  }

  get isSparse1(): boolean {
    return this.text('GNU.sparse.major') === '1' && this.text('GNU.sparse.minor') === '0'
  }

  bytes(key: string): Uint8Array | undefined {
    const value = this.records.get(key)
    if (value?.includes(0)) throw badRecord(`has a NUL in its ${key}`)
    return value?.length === 0 ? undefined : value
  }

  text(key: string): string | undefined {
    const value = this.bytes(key)
    return value === undefined ? undefined : decodePath(value)
  }

  integer(key: string, max: number): number | undefined {
    const text = this.text(key)
    return text === undefined ? undefined : decodeInteger(key, text, max)
  }

  time(key: string): bigint | undefined {
    const text = this.text(key)
    return text === undefined ? undefined : decodeTime(text)
  }

  xattrs(): { readonly xattrs: ReadonlyMap<string, Uint8Array> } | undefined {
    const xattrs = new Map<string, Uint8Array>()
    for (const [key, value] of this.records) {
      if (key.startsWith(XATTR)) xattrs.set(xattrName(key.slice(XATTR.length)), new Uint8Array(value))
    }
    return xattrs.size === 0 ? undefined : { xattrs }
  }
}

/** Turns back '=' and '%', which cannot stand in a key. */
function xattrName(latin1: string): string {
  const name = decodePath(Buffer.from(latin1, 'latin1'))
  return name.replace(/%3D|%25/g, sign => (sign === '%25' ? '%' : '='))
}

/** Decimals beyond the ninth are cut. @throws BackupError IBT_ARCHIVE_CORRUPT */
function decodeTime(text: string): bigint {
  const match = /^(-?)(\d{1,12})(?:\.(\d*))?$/.exec(text)
  if (match === null) throw badRecord(`has mtime=${printPath(text.slice(0, 40))}, which is not a time`)
  const [, sign, seconds, decimals = ''] = match
  const ns = BigInt(seconds!) * NS_PER_SECOND + BigInt(decimals.slice(0, 9).padEnd(9, '0'))
  return sign === '-' ? -ns : ns
}

/** @throws BackupError IBT_ARCHIVE_CORRUPT for anything that is not a whole number up to `max`. */
function decodeInteger(key: string, text: string, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (value <= max) return value
  throw badRecord(`has ${key}=${printPath(text.slice(0, 40))}, which is not a whole number up to ${max}`)
}
