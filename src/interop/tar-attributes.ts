import type { Records } from '../format/pax-values.js'
import { decodePath } from '../path.js'

/** bsdtar writes attributes of any bytes so: the name as in a URL, the value in base64. */
const LIBARCHIVE_XATTR = 'LIBARCHIVE.xattr.'

/** The attributes of an entry as GNU tar, star and bsdtar write them. If one stands there twice, that of star counts. */
export function foreignXattrs(records: Records): { readonly xattrs: ReadonlyMap<string, Uint8Array> } | undefined {
  const own = records.xattrs()
  const others = new Map<string, Uint8Array>()
  for (const [key, value] of records.records) {
    if (!key.startsWith(LIBARCHIVE_XATTR)) continue
    const name = unescapeName(key.slice(LIBARCHIVE_XATTR.length))
    others.set(name, new Uint8Array(Buffer.from(Buffer.from(value).toString('latin1'), 'base64')))
  }
  return others.size === 0 ? own : { xattrs: new Map([...others, ...(own?.xattrs ?? [])]) }
}

function unescapeName(latin1: string): string {
  const bytes = latin1.replace(/%([0-9a-fA-F]{2})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)))
  return decodePath(Buffer.from(bytes, 'latin1'))
}
