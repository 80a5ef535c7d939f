import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { BackupError } from '../errors.js'
import { encodePath } from '../path.js'
import type { BackupId, Kind } from '../types.js'
import { isDate } from './dates.js'

/** What the name of an artifact says. */
export interface ArtifactName extends BackupId {
  readonly kind: Kind
  /** Names of codecs in the order of their application, without the dot. */
  readonly suffixes: readonly string[]
}

const KEY_LENGTH_MAX = 100
const KEY = /^(?!\.)(?:[A-Za-z0-9_.-]|%[0-9A-F]{2})+(?<!\.)$/
const SUFFIX = /^(?:\.[a-z0-9]+)*$/
const PROOFS = /^\.proofs\.\d{8}T\d{6}\.\d{3}Z\.[0-9a-f]{16}\.json$/
// Suffixes hold no capital, dates do: so only one split is possible, whatever the key holds.
const ARTIFACT =
  /^(.+)\.(full|created|updated|sigvault|state)\.(\d{8}T\d{6}\.\d{3}Z)(?:\.asof-(\d{8}T\d{6}\.\d{3}Z))?\.(tar|json)((?:\.[a-z0-9]+)*)$/

/**
 * The name of an artifact: `KEY.KIND.DATE[.asof-DATE].(tar|json)[.SUFFIX]…`.
 *
 * @throws BackupError IBT_NAME_INVALID for a key or date that no name can hold.
 * @throws TypeError for a suffix that is not lower-case letters and digits after dots.
 */
export function artifactName({ key, date, asOf }: BackupId, kind: Kind, suffix: string): string {
  checkKey(key)
  for (const named of asOf === undefined ? [date] : [date, asOf]) {
    if (isDate(named)) continue
    throw new BackupError('IBT_NAME_INVALID', `${JSON.stringify(named)} is not a date of a backup`)
  }
  if (!SUFFIX.test(suffix)) throw new TypeError(`A suffix is like .zst or .zst.age, not ${JSON.stringify(suffix)}`)
  return `${key}.${kind}.${date}${asOf === undefined ? '' : `.asof-${asOf}`}.${extension(kind)}${suffix}`
}

/** Reads what `artifactName` writes; undefined for every other name. */
export function parseArtifactName(name: string): ArtifactName | undefined {
  const match = ARTIFACT.exec(name)
  if (match === null) return undefined
  const [, key, kind, date, asOf, ext, suffix] = match as unknown as [
    ...[string, string, Kind, string, string | undefined, string, string]
  ]
  const areDates = isDate(date) && (asOf === undefined || isDate(asOf))
  if (!isKey(key) || !areDates || ext !== extension(kind)) return undefined
  const suffixes = suffix === '' ? [] : suffix.slice(1).split('.')
  return asOf === undefined ? { key, kind, date, suffixes } : { key, kind, date, asOf, suffixes }
}

function extension(kind: Kind): string {
  return kind === 'state' ? 'json' : 'tar'
}

const STATE = /^(.+)\.state\.([^/]+?)\.json((?:\.[a-z0-9]+)*)$/
const REMOVED = /^(.+)\.removed\.([^/]+?)\.at-(\d{8}T\d{6}\.\d{3}Z)\.json((?:\.[a-z0-9]+)*)$/

/** What the name of a removed state says. */
export interface RemovedName extends BackupId {
  /** The name that the state had, and gets back. */
  readonly state: string
  /** When it was removed. */
  readonly at: string
}

/** The name that the state of a backup gets when the backup is removed: its own, with the time of the removal. */
export function removedName(state: string, at: string): string {
  const match = STATE.exec(state)
  if (match === null || parseArtifactName(state)?.kind !== 'state' || !isDate(at)) {
    throw new TypeError(`Not the name of a state and a date: ${state}, ${at}`)
  }
  const [, key, what, suffix] = match
  return `${key}.removed.${what}.at-${at}.json${suffix}`
}

/** Reads what `removedName` writes; undefined for every other name. */
export function parseRemovedName(name: string): RemovedName | undefined {
  const match = REMOVED.exec(name)
  if (match === null) return undefined
  const [, ownKey, what, at, suffix] = match
  const state = `${ownKey}.state.${what}.json${suffix}`
  const parsed = parseArtifactName(state)
  if (parsed?.kind !== 'state' || parsed.key !== ownKey || !isDate(at!)) return undefined
  const { key, date, asOf } = parsed
  return asOf === undefined ? { key, date, state, at: at! } : { key, date, asOf, state, at: at! }
}

const SEGMENT = /^(.+)\.segment\.([^/]+?)\.json((?:\.[a-z0-9]+)*)$/

/** The name of the record of a merge's segment: that of a state of its date would be, but for the kind. */
export function segmentName(state: string): string {
  const match = STATE.exec(state)
  if (match === null || parseArtifactName(state)?.asOf === undefined) {
    throw new TypeError(`Not the name of a merged state: ${state}`)
  }
  const [, key, what, suffix] = match
  return `${key}.segment.${what}.json${suffix}`
}

/** What the name of a segment's record says. */
export interface SegmentName extends Omit<ArtifactName, 'kind'> {
  readonly asOf: string
}

/** Reads what `segmentName` writes; undefined for every other name. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = SEGMENT.exec(name)
  if (match === null) return undefined
  const [, ownKey, what, suffix] = match
  const parsed = parseArtifactName(`${ownKey}.state.${what}.json${suffix}`)
  if (parsed?.kind !== 'state' || parsed.key !== ownKey || parsed.asOf === undefined) return undefined
  const { key, date, asOf, suffixes } = parsed
  return { key, date, asOf, suffixes }
}

/** Of what is signed: a state, a sigvault, the record of a segment. Undefined for every other name. */
export function signedName(
  name: string
): { readonly key: string; readonly kind: 'state' | 'sigvault' | 'segment' } | undefined {
  const { key, kind } = parseArtifactName(name) ?? {}
  if (key !== undefined && (kind === 'state' || kind === 'sigvault')) return { key, kind }
  const segment = parseSegmentName(name)
  return segment && { key: segment.key, kind: 'segment' }
}

/** Name of the lock on a key. */
export function lockName(key: string): string {
  checkKey(key)
  return `${key}.lock`
}

/** Whether a name is that of the lock on a key, or of a lock on taking over that lock. */
export function isLockName(name: string, key: string): boolean {
  const own = lockName(key)
  return name.startsWith(own) && /^(?:\.[0-9a-f]{16})*$/.test(name.slice(own.length))
}

/** Whether a name is that of what verifications of the key have proven. */
export function isProofsName(name: string, key: string): boolean {
  return name.startsWith(`${key}.`) && PROOFS.test(name.slice(key.length))
}

function isKey(key: string): boolean {
  return key.length <= KEY_LENGTH_MAX && KEY.test(key)
}

/** Refuses a key that names of artifacts cannot hold. @throws BackupError IBT_NAME_INVALID */
export function checkKey(key: string): void {
  if (isKey(key)) return
  const message = `Key ${JSON.stringify(key)} is not 1 to ${KEY_LENGTH_MAX} letters, digits, '_', '-', inner dots and %XX`
  throw new BackupError('IBT_NAME_INVALID', message, { path: key })
}

/**
 * The key of a source: its base name, bytes that a key cannot hold as %XX; `root` for the root directory.
 * One that would be too long keeps its beginning and gets a digest, so that different names stay different.
 */
export function keyFromPath(path: string): string {
  const name = basename(path)
  if (name === '') return 'root'
  const bytes = encodePath(name)
  const parts = Array.from(bytes, (byte, i) => keyPart(byte, i === 0 || i === bytes.length - 1))
  const key = parts.join('')
  if (key.length <= KEY_LENGTH_MAX) return key
  const digest = `_${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
  let start = ''
  for (const part of parts) {
    if (start.length + part.length + digest.length > KEY_LENGTH_MAX) break
    start += part
  }
  return start + digest
}

function keyPart(byte: number, isOuter: boolean): string {
  const character = String.fromCharCode(byte)
  if (/[A-Za-z0-9_-]/.test(character) || (character === '.' && !isOuter)) return character
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
