import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { BackupError } from '../errors.js'
import { isDate } from './dates.js'
import { checkKey, parseArtifactName, parseSegmentName } from './names.js'

const FORMAT = 'ibt-manifest'
const VERSION = 1
/** Artifacts of a manifest, at most: two for each backup of a key. */
const ARTIFACTS_MAX = 200_000

/** A state or a sigvault as it is stored. */
export interface SignedArtifact {
  readonly name: string
  readonly sizeBytes: number
  readonly sha256: string
  /** It may be missing: a sigvault that was deleted, or a state that was removed and may come back. */
  readonly optional?: boolean | undefined
}

/** What a signature is over: all backups of a key that are there, by the digests of their states. */
export interface Manifest {
  readonly key: string
  /** When it was signed. */
  readonly date: string
  /** One more than that of the manifest before it. */
  readonly sequence: number
  readonly artifacts: readonly SignedArtifact[]
}

/**
 * A manifest with its signature, as two lines of JSON in one object: `signed` is the exact text that was signed, so that
 * any tool checks it. @throws TypeError for a key that is not of Ed25519
 */
export function encodeManifest(manifest: Manifest, privateKey: KeyObject): Buffer {
  checkKeyType(privateKey)
  const signed = JSON.stringify({ format: FORMAT, version: VERSION, ...manifest })
  const signature = sign(null, Buffer.from(signed), privateKey).toString('base64')
  return Buffer.from(`{"signed":${JSON.stringify(signed)},\n"signature":${JSON.stringify(signature)}}\n`)
}

/**
 * Reads a manifest of a key. Nothing of it is looked at before its signature has been checked. Without `publicKeys` no
 * signature is: for a copy, which is checked by its readers.
 *
 * @throws BackupError IBT_MANIFEST_INVALID if no key has signed it, or it is not one of the backups' key;
 * IBT_STATE_VERSION if a later version has written it
 */
export function decodeManifest(
  bytes: Buffer,
  name: string,
  key: string,
  publicKeys: readonly KeyObject[] | undefined
): Manifest {
  const { signed, signature } = parse(bytes.toString(), name)
  if (typeof signed !== 'string' || typeof signature !== 'string') throw invalid(name, 'is not a signed manifest')
  const isSigned = publicKeys?.some(publicKey =>
    verify(null, Buffer.from(signed), publicKey, Buffer.from(signature, 'base64'))
  )
  if (isSigned === false) throw invalid(name, 'has no signature of this key')
  const { format, version, ...manifest } = parse(signed, name)
  if (format !== FORMAT) throw invalid(name, 'is a signature of something else')
  if (version !== VERSION) {
    throw new BackupError('IBT_STATE_VERSION', `${name} has version ${String(version)}`, { path: name })
  }
  if (!isManifest(manifest)) throw invalid(name, 'is not a manifest')
  if (manifest.key !== key) throw invalid(name, `is of ${manifest.key}, not of ${key}`)
  return manifest
}

/** The public key of a private or public one. @throws TypeError for a key that is not of Ed25519 */
export function publicKeyOf(key: KeyObject): KeyObject {
  checkKeyType(key)
  return key.type === 'private' ? createPublicKey(key) : key
}

function checkKeyType({ asymmetricKeyType }: KeyObject): void {
  if (asymmetricKeyType !== 'ed25519') throw new TypeError(`A key that signs is of Ed25519, not ${asymmetricKeyType}`)
}

function parse(text: string, name: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return Object(value)
  } catch (error) {
    throw invalid(name, 'is not JSON', error)
  }
}

function isManifest(value: object): value is Manifest {
  const { key, date, sequence, artifacts } = value as Record<string, unknown>
  if (typeof key !== 'string' || typeof date !== 'string' || !isDate(date)) return false
  if (!Number.isSafeInteger(sequence) || (sequence as number) < 1) return false
  if (!Array.isArray(artifacts) || artifacts.length > ARTIFACTS_MAX) return false
  checkKey(key)
  return artifacts.every(artifact => isSignedArtifact(artifact, key))
}

function isSignedArtifact(value: unknown, key: string): value is SignedArtifact {
  const { name, sizeBytes, sha256, optional } = Object(value) as Record<string, unknown>
  if (typeof name !== 'string' || (parseArtifactName(name) ?? parseSegmentName(name))?.key !== key) return false
  if (!Number.isSafeInteger(sizeBytes) || (sizeBytes as number) < 0) return false
  return typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) && [undefined, true].includes(optional as true)
}

function invalid(name: string, what: string, cause?: unknown): BackupError {
  return new BackupError('IBT_MANIFEST_INVALID', `${name} ${what}`, { path: name, cause })
}
