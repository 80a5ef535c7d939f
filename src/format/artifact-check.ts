import { BackupError } from '../errors.js'
import type { Artifact, SealedArtifact } from '../types.js'
import { parseArtifactName } from './names.js'

const SHA256 = /^[0-9a-f]{64}$/

/**
 * Checks what a state is to say of an artifact of its own key: a stage of somebody's may have sealed it.
 *
 * @throws BackupError IBT_STATE_INVALID for what no reader of the state would take
 */
export function checkArtifact(artifact: Artifact, key: string): void {
  const { name, kind, date } = artifact
  checkSeal(artifact)
  const parsed = parseArtifactName(name)
  if (parsed?.key !== key || parsed.kind !== kind || parsed.date !== date) {
    throw invalidArtifact(name, `is not the name of an artifact of ${key} of kind ${String(kind)} and date ${date}`)
  }
}

/** Checks the size and the digest. @throws BackupError IBT_STATE_INVALID */
export function checkSeal({ name, sizeBytes, sha256 }: SealedArtifact): void {
  if (sha256 === '') throw invalidArtifact(name, 'has no digest')
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
    throw invalidArtifact(name, `was sealed with the size ${String(sizeBytes)}`)
  if (typeof sha256 !== 'string' || !SHA256.test(sha256))
    throw invalidArtifact(name, 'was sealed with a sha256 that is not 64 lower-case hexadecimal digits')
}

export function invalidArtifact(name: string, what: string): BackupError {
  return new BackupError('IBT_STATE_INVALID', `${name} ${what}`, { path: name })
}
