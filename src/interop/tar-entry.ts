import type { Header } from 'tar-stream'
import { BackupError } from '../errors.js'
import { Records } from '../format/pax-values.js'
import { checkPath, decodePath, printPath, ROOT_PATH } from '../path.js'
import type { Content, Entry, EntryType, Signed } from '../types.js'

/** Options of `fromTar`. */
export interface FromTarOptions {
  /** Sees what of an entry could not be taken over: extended attributes that are not text. */
  readonly onError?: ((error: BackupError) => void) | undefined
}

const TYPES: Readonly<Record<string, EntryType>> = {
  file: 'file',
  'contiguous-file': 'file',
  link: 'file',
  symlink: 'symlink',
  directory: 'directory',
  fifo: 'fifo',
  'character-device': 'character-device',
  'block-device': 'block-device'
}
const XATTR = 'SCHILY.xattr.'
const ID_MAX = 2 ** 32 - 1
/** What tar-stream puts where the bytes of a PAX record are not UTF-8. */
const REPLACEMENT = '\ufffd'

/** A header of tar-stream, read with names as latin1, as an entry. PAX records win, but for `size`, which it applies. */
export function tarEntry(
  header: Header,
  content: Content | undefined,
  options: FromTarOptions
): Entry & Pick<Signed, 'linkTo'> {
  const pax = (header.pax ?? {}) as Readonly<Record<string, string>>
  const records = new Records(new Map(Object.entries(pax).map(([key, value]) => [key, Buffer.from(value)])))
  const path = cleanPath(decodeName(header.name, pax.path), 'path')
  const type = checkType(header, path, records)
  const isLink = header.type === 'link'
  const linkname = header.linkname ? decodeName(header.linkname, pax.linkpath) : undefined
  const isDevice = type === 'character-device' || type === 'block-device'
  return {
    path,
    type,
    mode: header.mode & 0o7777,
    uid: records.integer('uid', ID_MAX) ?? header.uid,
    gid: records.integer('gid', ID_MAX) ?? header.gid,
    uname: records.text('uname') ?? (header.uname || undefined),
    gname: records.text('gname') ?? (header.gname || undefined),
    mtimeNs: records.time('mtime') ?? BigInt(header.mtime.getTime()) * 1_000_000n,
    sizeBytes: type === 'file' && !isLink ? header.size : undefined,
    linkname: type === 'symlink' ? linkname : undefined,
    devMajor: isDevice ? header.devmajor : undefined,
    devMinor: isDevice ? header.devminor : undefined,
    xattrs: readXattrs(path, pax, options),
    content: type === 'file' ? content : undefined,
    linkTo: isLink ? cleanPath(linkname ?? '', 'link target') : undefined
  }
}

/** The name in a PAX record is UTF-8; elsewhere it came as latin1, byte for byte. */
function decodeName(name: string, fromPax: string | undefined): string {
  if (fromPax === undefined || fromPax === '') return decodePath(Buffer.from(name, 'latin1'))
  if (!fromPax.includes(REPLACEMENT)) return fromPax
  const message = `The tar has a PAX record for ${printPath(fromPax)}, which is not UTF-8`
  throw new BackupError('IBT_NAME_INVALID', message, { path: fromPax })
}

/** Without './' before and '/' behind. @throws BackupError IBT_UNSAFE_PATH */
function cleanPath(name: string, what: string): string {
  const path = name.replace(/^(?:\.\/+)+/, '').replace(/\/+$/, '')
  if (path === '' && /^\.\/+$/.test(name)) return ROOT_PATH
  try {
    checkPath(path)
  } catch (cause) {
    const message = `The tar has the unsafe ${what} ${printPath(name)}`
    throw new BackupError('IBT_UNSAFE_PATH', message, { path: name, cause })
  }
  return path
}

/** tar-stream takes sparse files for whole ones. */
function checkType({ type: tarType }: Header, path: string, records: Records): EntryType {
  const type = tarType === null ? undefined : TYPES[tarType]
  const isSparse = records.isSparse || /(^|\/)GNUSparseFile\.\d+(\/|$)/.test(path)
  if (type !== undefined && !isSparse) return type
  const what = isSparse ? 'a sparse file' : 'of an unknown type'
  throw new BackupError('IBT_UNSUPPORTED_TYPE', `${printPath(path)} in the tar is ${what}`, { path })
}

function readXattrs(
  path: string,
  pax: Readonly<Record<string, string>>,
  { onError }: FromTarOptions
): ReadonlyMap<string, Uint8Array> | undefined {
  const xattrs = new Map<string, Uint8Array>()
  for (const [key, value] of Object.entries(pax)) {
    if (!key.startsWith(XATTR)) continue
    const name = key.slice(XATTR.length)
    if (!value.includes(REPLACEMENT)) xattrs.set(name, Buffer.from(value))
    else {
      const message = `The attribute ${printPath(name)} of ${printPath(path)} in the tar is not text: it is left out`
      onError?.(new BackupError('IBT_UNSUPPORTED_TYPE', message, { path }))
    }
  }
  return xattrs.size === 0 ? undefined : xattrs
}
