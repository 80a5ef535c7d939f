import { BackupError } from '../errors.js'
import { parseDate } from '../format/dates.js'
import { parseArtifactName } from '../format/names.js'
import type { TarHeader } from '../format/tar.js'
import { encodeEntry } from '../format/tar-encode.js'
import { parseVolumeName, volumeName } from '../format/volume-names.js'
import type { Kind, SealedArtifact } from '../types.js'

/** One entry of a bundle: a whole artifact under its own name, or a part of one. */
export interface Volume {
  /** The artifact's. */
  readonly name: string
  readonly kind: Kind
  /** From 1. Undefined: it is the whole artifact. */
  readonly volume?: number | undefined
  /** Bytes of the artifact that come before it. */
  readonly offset: number
  readonly sizeBytes: number
  /** Of the artifact, where it is known: at the last volume, at the latest. */
  readonly whole?: Pick<SealedArtifact, 'sizeBytes' | 'sha256'> | undefined
}

/** Whether nothing of the artifact comes behind it. */
export function isLast({ volume, offset, sizeBytes, whole }: Volume): boolean {
  return volume === undefined || offset + sizeBytes === whole?.sizeBytes
}

/** For people: `NAME`, or `NAME, volume 3`. */
export function describeVolume({ name, volume }: Pick<Volume, 'name' | 'volume'>): string {
  return volume === undefined ? name : `${name}, volume ${volume}`
}

/** The header of a volume's entry. Its bytes and their padding follow it. */
export function encodeVolume({ name, volume, offset, sizeBytes, whole }: Volume): Buffer {
  const { date } = parseArtifactName(name)!
  return encodeEntry({
    path: volume === undefined ? name : volumeName({ name, volume }),
    ...{ type: 'file', mode: 0o600, uid: 0, gid: 0, sizeBytes },
    mtimeNs: BigInt(parseDate(date)) * 1_000_000n,
    comment: JSON.stringify(volume === undefined ? { sha256: whole?.sha256 } : { offset, ...whole })
  })
}

/**
 * What the header of an entry says. An artifact that somebody put into a tar by hand has no comment.
 *
 * @throws BackupError IBT_NAME_INVALID for a name that no artifact and no volume has, IBT_ARCHIVE_CORRUPT.
 */
export function decodeVolume({ path, type, sizeBytes, sparseSizeBytes, comment }: TarHeader): Volume {
  const part = parseVolumeName(path)
  const name = part?.name ?? path
  const kind = parseArtifactName(name)?.kind
  if (kind === undefined) {
    throw new BackupError('IBT_NAME_INVALID', `${JSON.stringify(path)} in the bundle is not an artifact`, { path })
  }
  if (type !== 'file' || sparseSizeBytes !== undefined) throw corrupt(path, 'is not a plain file')
  const facts = comment === undefined ? undefined : decodeFacts(path, comment)
  if (part === undefined) {
    const sha256 = facts && digest(path, facts.sha256)
    return { name, kind, offset: 0, sizeBytes, whole: sha256 === undefined ? undefined : { sizeBytes, sha256 } }
  }
  if (facts === undefined) throw corrupt(path, 'does not say where in the artifact it belongs')
  const volume = { name, kind, volume: part.volume, offset: count(path, facts.offset), sizeBytes }
  if (facts.sha256 === undefined && facts.sizeBytes === undefined) return volume
  const whole = { sizeBytes: count(path, facts.sizeBytes), sha256: digest(path, facts.sha256) }
  if (volume.offset + sizeBytes > whole.sizeBytes) throw corrupt(path, 'is longer than its artifact')
  return { ...volume, whole }
}

type Facts = Readonly<Record<string, unknown>>

function decodeFacts(path: string, comment: string): Facts {
  try {
    const value: unknown = JSON.parse(comment)
    if (typeof value === 'object' && value !== null) return value as Facts
  } catch {
    // It is as wrong as a value of another type.
  }
  throw corrupt(path, 'has a comment that is not a JSON object')
}

function count(path: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw corrupt(path, 'has an offset or a size that is not a whole number')
}

function digest(path: string, value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value
  throw corrupt(path, 'has a SHA-256 that is not 64 hexadecimal digits')
}

function corrupt(path: string, what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `The bundle is damaged: ${path} ${what}`, { path })
}
