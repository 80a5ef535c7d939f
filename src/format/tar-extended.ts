import { BackupError } from '../errors.js'
import { encodePath, isUtf8Path, printPath } from '../path.js'
import { encodeRecord, encodeTime } from './pax.js'
import { NAME_BYTES, OWNER_BYTES, RECORDS_BYTES, type TarHeader } from './tar.js'
import { LONG_OCTAL_MAX, SHORT_OCTAL_MAX } from './tar-fields.js'

const ID_MAX = SHORT_OCTAL_MAX
const SIZE_MAX = LONG_OCTAL_MAX
const SECONDS_MAX = LONG_OCTAL_MAX
const NS_PER_SECOND = 1_000_000_000n
const NOTHING = Buffer.alloc(0)

/** Names as the fields of a ustar header hold them, and those that stand in a GNU record besides. */
export interface HeaderNames {
  readonly name: Buffer
  readonly linkname: Buffer
  readonly uname: Buffer
  readonly gname: Buffer
  readonly long: readonly LongName[]
}

/** A GNU record: `L` holds a name, `K` a link target. */
export interface LongName {
  readonly flag: 'L' | 'K'
  readonly bytes: Buffer
}

/** Whether a ustar header cannot hold the entry, whatever its names and times are. */
export function needsRecords(header: TarHeader): boolean {
  const { path, uid, gid, sizeBytes, comment, xattrs, sparseSizeBytes } = header
  if (path === '.' || uid > ID_MAX || gid > ID_MAX || sizeBytes > SIZE_MAX) return true
  return comment !== undefined || xattrs !== undefined || sparseSizeBytes !== undefined
}

export function headerNames(header: TarHeader): HeaderNames {
  const long: LongName[] = []
  const path = archivePath(header)
  const linkname = header.linkname ?? ''
  const nameBytes = encodePath(path)
  const linkBytes = linkname === '' ? NOTHING : encodePath(linkname)
  // bsdtar fails on a PAX path that is not UTF-8, and GNU tar warns of the record that would allow it.
  if (nameBytes.length > NAME_BYTES && !isUtf8Path(path)) long.push({ flag: 'L', bytes: nameBytes })
  if (linkBytes.length > NAME_BYTES && !isUtf8Path(linkname)) long.push({ flag: 'K', bytes: linkBytes })
  return {
    name: cutName(nameBytes),
    linkname: linkBytes.subarray(0, NAME_BYTES),
    uname: ownerField(header.uname),
    gname: ownerField(header.gname),
    long
  }
}

function archivePath({ path, type, sparseSizeBytes }: TarHeader): string {
  if (type === 'directory') return `${path}/`
  return sparseSizeBytes !== undefined && isUtf8Path(path) ? sparseName(path) : path
}

/** What a reader that does not know sparse files finds map and data under: not the file's own name. */
function sparseName(path: string): string {
  const nameStart = path.lastIndexOf('/') + 1
  return `${path.slice(0, nameStart)}GNUSparseFile.0/${path.slice(nameStart)}`
}

/** A reader that does not know the records takes a name that ends in '/' for a directory's. */
function cutName(bytes: Buffer): Buffer {
  if (bytes.length <= NAME_BYTES) return bytes
  let end = NAME_BYTES
  while (bytes[end - 1] === 0x2f) end--
  return bytes.subarray(0, end)
}

function ownerField(name = ''): Buffer {
  if (name === '') return NOTHING
  const bytes = encodePath(name)
  // Half a name may be another user's: the number alone is better.
  return bytes.length <= OWNER_BYTES ? bytes : NOTHING
}

/** All that the fields cannot hold, as PAX records, a character a byte. @throws BackupError IBT_UNSUPPORTED_TYPE above `RECORDS_BYTES` */
export function paxRecords(header: TarHeader, { long }: HeaderNames): string {
  const { uid, gid, uname, gname, mtimeNs, sizeBytes, linkname, comment, xattrs } = header
  let records = ''
  if (!long.some(({ flag }) => flag === 'L')) records += longerRecord('path', archivePath(header), NAME_BYTES)
  if (!long.some(({ flag }) => flag === 'K')) records += longerRecord('linkpath', linkname, NAME_BYTES)
  records += longerRecord('uname', uname, OWNER_BYTES)
  records += longerRecord('gname', gname, OWNER_BYTES)
  if (uid > ID_MAX) records += encodeRecord('uid', String(uid))
  if (gid > ID_MAX) records += encodeRecord('gid', String(gid))
  if (sizeBytes > SIZE_MAX) records += encodeRecord('size', String(sizeBytes))
  if (mtimeNs < 0n || mtimeNs % NS_PER_SECOND !== 0n || mtimeNs / NS_PER_SECOND > SECONDS_MAX) {
    records += encodeRecord('mtime', encodeTime(mtimeNs))
  }
  if (header.sparseSizeBytes !== undefined) records += sparseRecords(header.path, header.sparseSizeBytes)
  if (comment !== undefined) records += encodeRecord('comment', toBytes(comment))
  let attributes = ''
  for (const [name, value] of xattrs ?? [])
    attributes += encodeRecord(xattrKey(name), Buffer.from(value).toString('latin1'))
  // The state has them, too: an entry whose attributes a tar cannot take is not lost for that.
  if (records.length + attributes.length <= RECORDS_BYTES) return records + attributes
  if (records.length <= RECORDS_BYTES) return records
  const message = `${printPath(header.path)} has ${records.length} bytes of attributes, more than the ${RECORDS_BYTES} of a tar`
  throw new BackupError('IBT_UNSUPPORTED_TYPE', message, { path: header.path })
}

function sparseRecords(path: string, sizeBytes: number): string {
  const version = encodeRecord('GNU.sparse.major', '1') + encodeRecord('GNU.sparse.minor', '0')
  const name = isUtf8Path(path) ? encodeRecord('GNU.sparse.name', toBytes(path)) : ''
  return version + name + encodeRecord('GNU.sparse.realsize', String(sizeBytes))
}

function longerRecord(key: string, text = '', maxBytes: number): string {
  if (text.length * 3 <= maxBytes || !isUtf8Path(text)) return ''
  const bytes = toBytes(text)
  return bytes.length > maxBytes ? encodeRecord(key, bytes) : ''
}

/** '=' ends a key: GNU tar writes it and '%' as hexadecimal digits, and reads them so. */
function xattrKey(name: string): string {
  return `SCHILY.xattr.${toBytes(name).replace(/[%=]/g, sign => (sign === '%' ? '%25' : '%3D'))}`
}

/** UTF-8 or escaped bytes, a character each. */
function toBytes(text: string): string {
  return encodePath(text).toString('latin1')
}
