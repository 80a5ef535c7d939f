import { FORMAT_VERSION } from '../constants.js'
import { BackupError } from '../errors.js'
import { encodePath, isUtf8Path } from '../path.js'
import type { MergedEntry, Place, PlaceName, SignatureDigest, StandsFor, StateClosing, StateHeader } from '../types.js'

/** What the first field of every state says. */
export const STATE_FORMAT = 'incremental-backups-tools state'

/**
 * In `requires` of a state in which contents can be known by the digest of their signature alone. A reader that does not
 * know it would restore them unproven.
 */
export const SIGNATURE_DIGEST = 'signature-digest'

/** Anything but what stands for itself in JSON: not '"', '\', controls and surrogates. */
const NEEDS_ESCAPE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

/** The first line of a state. */
export function encodeStateHeader(header: StateHeader): string {
  const { key, kind, date, startedNs, root, host, sourceId, options, fullReason } = header
  const { chain, requires = [], standsFor } = header
  const links = chain.map(({ date, stateSha256, asOf }) => JSON.stringify({ date, stateSha256, asOf }))
  return (
    `{"format":${quote(STATE_FORMAT)},"version":${FORMAT_VERSION},"requires":${JSON.stringify(requires)}` +
    `,"key":${quote(key)},"kind":"${kind}","date":${quote(date)},"startedNs":"${startedNs}"` +
    `${bytesField('root', root)},"host":${quote(host)}` +
    (sourceId === undefined ? '' : `,"sourceId":${quote(sourceId)}`) +
    (options === undefined ? '' : `,"options":${JSON.stringify(options)}`) +
    (fullReason === undefined ? '' : `,"fullReason":${quote(fullReason)}`) +
    (standsFor === undefined ? '' : `,"standsFor":${encodeStandsFor(standsFor)}`) +
    `,"chain":[${links.join(',')}],"entries":[`
  )
}

/**
 * One entry of a state, without the comma and the line feed that follow it.
 * `chainIndex` numbers the dates of places; a place in the backup that is being made has the empty date.
 *
 * @throws BackupError IBT_STATE_INVALID for a date that it does not number.
 */
export function encodeStateEntry(entry: MergedEntry, chainIndex: ReadonlyMap<string, number>): string {
  const { path, type, mode, uid, gid, uname, gname, mtimeNs, ctimeNs, ino, sizeBytes, linkname, link } = entry
  const { devMajor, devMinor, xattrs, sha256, places, signature } = entry
  let line = isPlain(path) ? `{"path":"${path}"` : `{${bytesField('path', path).slice(1)}`
  line += `,"type":"${type}","mode":${mode},"uid":${uid},"gid":${gid}`
  if (uname !== undefined) line += bytesField('uname', uname)
  if (gname !== undefined) line += bytesField('gname', gname)
  line += `,"mtimeNs":"${mtimeNs}"`
  if (ctimeNs !== undefined) line += `,"ctimeNs":"${ctimeNs}"`
  if (ino !== undefined) line += `,"ino":"${ino}"`
  if (sizeBytes !== undefined) line += `,"sizeBytes":${sizeBytes}`
  if (entry.sparse) line += ',"sparse":true'
  if (linkname !== undefined) line += bytesField('linkname', linkname)
  if (link !== undefined) line += `,"link":${link}`
  if (devMajor !== undefined) line += `,"devMajor":${devMajor}`
  if (devMinor !== undefined) line += `,"devMinor":${devMinor}`
  if (xattrs !== undefined) line += `,"xattrs":${encodeXattrs(xattrs)}`
  if (sha256 !== undefined) line += `,"sha256":"${sha256}"`
  if (places !== undefined) line += encodePlaces(places, chainIndex)
  if (signature !== undefined) {
    line += `,"signature":{"date":${indexOf(signature.date, chainIndex)},"offset":${signature.offset}}`
  }
  if (entry.signatureDigest !== undefined) line += encodeSignatureDigest(entry.signatureDigest)
  if (entry.dirty) line += ',"dirty":true'
  if (entry.carried) line += ',"carried":true'
  if (entry.racy) line += ',"racy":true'
  if (entry.mapped !== undefined) line += bytesField('mapped', entry.mapped)
  if (entry.expectedSha256 !== undefined) line += `,"expectedSha256":"${entry.expectedSha256}"`
  if (entry.erased !== undefined) line += `,"erased":${quote(entry.erased)}`
  if (entry.knownAs !== undefined) line += encodeNames(entry.knownAs)
  return `${line}}`
}

function encodeStandsFor({ date, sha256, after }: StandsFor): string {
  return JSON.stringify({ date, sha256, after })
}

function encodeSignatureDigest({ blockLen, strongLen, sha256 }: SignatureDigest): string {
  return `,"signatureDigest":{"blockLen":${blockLen},"strongLen":${strongLen},"sha256":"${sha256}"}`
}

/** Dates stand in full: those that a merged state replaces are not in its chain. */
function encodeNames(names: readonly PlaceName[]): string {
  const list = names.map(({ date, in: kind, offset }) => JSON.stringify({ date, in: kind, offset }))
  return `,"origin":[${list.join(',')}]`
}

/** The last line of a state. */
export function encodeStateClosing({ totals, artifacts, linesSha256 }: StateClosing): string {
  const written = artifacts.map(({ name, kind, date, sizeBytes, sha256 }) =>
    JSON.stringify({ name, kind, date, sizeBytes, sha256 })
  )
  const digest = linesSha256 === undefined ? '' : `,"linesSha256":"${linesSha256}"`
  return `],"totals":${JSON.stringify(totals)},"artifacts":[${written.join(',')}]${digest}}`
}

function encodePlaces(places: readonly Place[], chainIndex: ReadonlyMap<string, number>): string {
  let list = ''
  for (const { date, in: kind, offset, path, sizeBytes } of places) {
    list += `${list === '' ? '' : ','}{"date":${indexOf(date, chainIndex)},"in":"${kind}","offset":${offset}`
    if (path !== undefined) list += bytesField('path', path)
    if (sizeBytes !== undefined) list += `,"sizeBytes":${sizeBytes}`
    list += '}'
  }
  return `,"content":[${list}]`
}

function indexOf(date: string, chainIndex: ReadonlyMap<string, number>): number {
  const index = chainIndex.get(date)
  if (index === undefined) {
    throw new BackupError('IBT_STATE_INVALID', `The chain has no backup of the date ${JSON.stringify(date)}`)
  }
  return index
}

function encodeXattrs(xattrs: ReadonlyMap<string, Uint8Array>): string {
  const fields = Array.from(xattrs, ([name, value]) => `${quote(name)}:"${Buffer.from(value).toString('base64')}"`)
  return `{${fields.join(',')}}`
}

/** Bytes that are not UTF-8 stand in base64, beside text that is only for people. */
function bytesField(name: string, text: string): string {
  if (isUtf8Path(text)) return `,"${name}":${quote(text)}`
  const bytes = encodePath(text)
  return `,"${name}":${quote(bytes.toString('utf8'))},"${name}Base64":"${bytes.toString('base64')}"`
}

function isPlain(text: string): boolean {
  return !NEEDS_ESCAPE.test(text)
}

function quote(text: string): string {
  return isPlain(text) ? `"${text}"` : JSON.stringify(text)
}
