import { FORMAT_VERSION } from '../constants.js'
import { BackupError } from '../errors.js'
import { checkPath, printPath } from '../path.js'
import type {
  Artifact,
  ChainLink,
  EveryField,
  Kind,
  MergedEntry,
  Place,
  PlaceName,
  SignatureDigest,
  StandsFor,
  StateClosing,
  StateEntry,
  StateHeader,
  Totals
} from '../types.js'
import { isDate } from './dates.js'
import { ARCHIVE_KINDS, ENTRY_TYPES } from './entry-check.js'
import { Fields, invalid, parseLine } from './fields.js'
import { checkKey, parseArtifactName } from './names.js'
import { SIGNATURE_DIGEST, STATE_FORMAT } from './state-encode.js'

/** How the first line of a state ends, and the last begins. */
const HEADER_END = '"entries":['
export const CLOSING_START = '],'

const MODE_MAX = 0o7777
const UINT32_MAX = 0xffff_ffff
/** Of BLAKE2b. */
const STRONG_LEN_MAX = 32
const SAFE_MAX = Number.MAX_SAFE_INTEGER
const BLOCK_BYTES = 512
const SIGNED_64 = { signed: 64 }
const UNSIGNED_64 = { unsigned: 64 }
const KINDS: readonly Kind[] = [...ARCHIVE_KINDS, 'sigvault', 'state']
const TOTALS: readonly (keyof Totals)[] = [
  'entries',
  'files',
  'sizeBytes',
  'created',
  'updated',
  'touched',
  'deleted',
  'unchanged',
  'unreadable',
  'carried',
  'dirty'
]

/**
 * Decodes the first line of a state.
 *
 * @throws BackupError IBT_STATE_VERSION for a version or a required feature that is unknown; IBT_STATE_INVALID.
 */
export function decodeStateHeader(line: string): StateHeader {
  const text = line.trimEnd()
  if (!text.endsWith(HEADER_END)) throw invalid(line, `the header, which ends in ${HEADER_END}`)
  const fields = parseLine(`${text}]}`, line)
  const requires = checkVersion(fields)
  const key = fields.text('key')
  checkKey(key)
  const date = fields.text('date')
  const chain = fields.list('chain').map(link => decodeLink(new Fields(link, line, 'a link of the chain')))
  const standsFor = fields.has('standsFor') ? decodeStandsFor(fields.object('standsFor')) : undefined
  if (standsFor?.date !== chain.at(-1)?.asOf) throw fields.expected('standsFor', 'the date in asOf of the last link')
  const isOrdered = chain.every((link, i) => i === 0 || chain[i - 1]!.date < link.date)
  if (!isOrdered || chain.at(-1)?.date !== date || !isDate(date))
    throw fields.expected('chain', `dates in order up to ${date}`)
  return {
    key,
    kind: fields.oneOf('kind', ['full', 'incremental'] as const),
    date,
    startedNs: fields.bigint('startedNs', SIGNED_64),
    root: fields.bytesText('root'),
    host: fields.text('host'),
    ...(fields.has('sourceId') && { sourceId: fields.text('sourceId') }),
    ...(fields.has('options') && { options: fields.object('options').all() }),
    ...(fields.has('fullReason') && { fullReason: fields.text('fullReason') }),
    chain,
    ...(standsFor && { standsFor }),
    requires
  }
}

/** Features that this reader knows. */
const FEATURES: readonly unknown[] = [SIGNATURE_DIGEST]

function checkVersion(fields: Fields): readonly string[] {
  if (!fields.has('format') || fields.text('format') !== STATE_FORMAT)
    throw fields.expected('format', JSON.stringify(STATE_FORMAT))
  const version = fields.integer('version', SAFE_MAX)
  const requires = fields.has('requires') ? fields.list('requires') : []
  const feature = requires.find(name => !FEATURES.includes(name))
  if (version === FORMAT_VERSION && feature === undefined) return requires as string[]
  const what =
    version === FORMAT_VERSION ? `requires ${printPath(String(feature)).slice(0, 100)}` : `is of version ${version}`
  throw new BackupError(
    'IBT_STATE_VERSION',
    `The state ${what}: this program knows version ${FORMAT_VERSION} without additions`
  )
}

function decodeLink(fields: Fields): ChainLink {
  const date = decodeDate(fields, 'date')
  const asOf = fields.has('asOf') ? decodeDate(fields, 'asOf') : undefined
  return {
    date,
    ...(fields.has('stateSha256') && { stateSha256: fields.sha256('stateSha256') }),
    ...(asOf !== undefined && { asOf })
  }
}

function decodeStandsFor(fields: Fields): StandsFor {
  const date = decodeDate(fields, 'date')
  const after = fields.has('after') ? decodeDate(fields, 'after') : undefined
  if (after !== undefined && after >= date) throw fields.expected('after', `a date before ${date}`)
  return { date, sha256: fields.sha256('sha256'), ...(after !== undefined && { after }) }
}

function decodeDate(fields: Fields, name: string): string {
  const date = fields.text(name)
  if (isDate(date)) return date
  throw fields.expected(name, 'a date')
}

/** Every field of an entry, and those of a merged state's entries where there are some. */
type DecodedEntry = EveryField<StateEntry> & Pick<MergedEntry, 'knownAs'>

/** Decodes the line of an entry. `chain`: that of the header. @throws BackupError IBT_STATE_INVALID, IBT_UNSAFE_PATH */
export function decodeStateEntry(line: string, chain: readonly ChainLink[]): DecodedEntry {
  const text = line.trimEnd()
  const fields = parseLine(text.endsWith(',') ? text.slice(0, -1) : text, line)
  const path = fields.bytesText('path')
  checkPath(path)
  const type = fields.oneOf('type', ENTRY_TYPES)
  const linkname = fields.optionalBytesText('linkname')
  if (linkname === '' || (linkname === undefined && type === 'symlink')) throw fields.expected('linkname', 'a target')
  const entry = {
    path,
    type,
    mode: fields.integer('mode', MODE_MAX),
    uid: fields.integer('uid', UINT32_MAX),
    gid: fields.integer('gid', UINT32_MAX),
    uname: fields.optionalBytesText('uname'),
    gname: fields.optionalBytesText('gname'),
    mtimeNs: fields.bigint('mtimeNs', SIGNED_64),
    ctimeNs: fields.has('ctimeNs') ? fields.bigint('ctimeNs', SIGNED_64) : undefined,
    ino: fields.has('ino') ? fields.bigint('ino', UNSIGNED_64) : undefined,
    sizeBytes: fields.optionalInteger('sizeBytes', SAFE_MAX),
    sparse: fields.flag('sparse'),
    linkname,
    link: fields.optionalInteger('link', SAFE_MAX),
    devMajor: fields.optionalInteger('devMajor', UINT32_MAX),
    devMinor: fields.optionalInteger('devMinor', UINT32_MAX),
    xattrs: fields.has('xattrs') ? decodeXattrs(fields.object('xattrs')) : undefined,
    sha256: fields.has('sha256') ? fields.sha256('sha256') : undefined,
    places: fields.has('content') ? decodePlaces(fields, chain) : undefined,
    signature: fields.has('signature') ? decodeAt(fields.object('signature'), chain) : undefined,
    signatureDigest: fields.has('signatureDigest')
      ? decodeSignatureDigest(fields.object('signatureDigest'))
      : undefined,
    dirty: fields.flag('dirty'),
    carried: fields.flag('carried'),
    racy: fields.flag('racy'),
    mapped: fields.optionalBytesText('mapped'),
    expectedSha256: fields.has('expectedSha256') ? fields.sha256('expectedSha256') : undefined,
    erased: fields.has('erased') ? decodeDate(fields, 'erased') : undefined
  }
  return fields.has('origin') ? { ...entry, knownAs: decodeNames(fields) } : entry
}

function decodeSignatureDigest(fields: Fields): SignatureDigest {
  const [blockLen, strongLen] = [fields.integer('blockLen', UINT32_MAX), fields.integer('strongLen', STRONG_LEN_MAX)]
  if (blockLen === 0 || strongLen === 0) throw fields.expected('blockLen', 'lengths above 0')
  return { blockLen, strongLen, sha256: fields.sha256('sha256') }
}

function decodeXattrs(fields: Fields): ReadonlyMap<string, Uint8Array> {
  return new Map(fields.names().map(name => [name, fields.base64(name)]))
}

function decodeNames(fields: Fields): readonly PlaceName[] {
  return fields.list('origin').map(name => {
    const place = new Fields(name, fields.line, 'a place')
    const [date, kind] = [decodeDate(place, 'date'), place.oneOf('in', ARCHIVE_KINDS)]
    return { date, in: kind, offset: place.integer('offset', SAFE_MAX) }
  })
}

function decodePlaces(fields: Fields, chain: readonly ChainLink[]): readonly Place[] {
  const places = fields.list('content').map(place => decodePlace(new Fields(place, fields.line, 'a place'), chain))
  // The first may be a delta, too: one without a COPY is a whole content.
  if (places.length > 0 && places.slice(1).every(place => place.in === 'updated')) return places
  throw fields.expected('content', 'a whole content and deltas on it')
}

function decodePlace(fields: Fields, chain: readonly ChainLink[]): Place {
  const at = decodeAt(fields, chain)
  const path = fields.optionalBytesText('path')
  if (path !== undefined) checkPath(path)
  const sizeBytes = fields.optionalInteger('sizeBytes', SAFE_MAX)
  return {
    date: at.date,
    in: fields.oneOf('in', ARCHIVE_KINDS),
    offset: at.offset,
    ...(path !== undefined && { path }),
    ...(sizeBytes !== undefined && { sizeBytes })
  }
}

function decodeAt(fields: Fields, chain: readonly ChainLink[]): { readonly date: string; readonly offset: number } {
  const link = chain[fields.integer('date', SAFE_MAX)]
  if (link === undefined) throw fields.expected('date', `a place in the chain of ${chain.length}`)
  const offset = fields.integer('offset', SAFE_MAX)
  if (offset % BLOCK_BYTES !== 0) throw fields.expected('offset', 'a multiple of 512')
  return { date: link.date, offset }
}

/** Decodes the last line of a state. @throws BackupError IBT_STATE_INVALID */
export function decodeStateClosing(line: string): StateClosing {
  const text = line.trimEnd()
  if (!text.startsWith(CLOSING_START)) throw invalid(line, 'the closing line, which begins with ]')
  const fields = parseLine(`{${text.slice(CLOSING_START.length)}`, line)
  const counts = fields.object('totals')
  const totals = Object.fromEntries(TOTALS.map(name => [name, counts.integer(name, SAFE_MAX)]))
  const artifacts = fields.list('artifacts').map(artifact => decodeArtifact(new Fields(artifact, line, 'an artifact')))
  const digest = fields.has('linesSha256') ? { linesSha256: fields.sha256('linesSha256') } : {}
  return { totals: totals as unknown as Totals, artifacts, ...digest }
}

function decodeArtifact(fields: Fields): Artifact {
  const name = fields.text('name')
  const kind = fields.oneOf('kind', KINDS)
  const date = fields.text('date')
  const parsed = parseArtifactName(name)
  if (parsed?.kind !== kind || parsed.date !== date)
    throw fields.expected('name', `the name of an artifact of kind ${kind} and date ${date}`)
  return { name, kind, date, sizeBytes: fields.integer('sizeBytes', SAFE_MAX), sha256: fields.sha256('sha256') }
}
