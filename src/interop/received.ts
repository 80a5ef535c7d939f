import { createHash, type Hash } from 'node:crypto'
import { BackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import type { Chunk, Sealed, SealedArtifact } from '../types.js'

/** Artifacts that are under way at once, at most: a backup has five. */
const OPEN_MAX = 16
/** Artifacts of one stream, at most: those of a chain of 20,000 backups. */
const ARTIFACTS_MAX = 100_000

interface Open {
  readonly hash: Hash
  sizeBytes: number
}

/** What has come of each artifact of a stream. Memory: the names of all, and a digest for each that is under way. */
export class Received {
  readonly #open = new Map<string, Open>()
  readonly #sealed = new Set<string>()

  constructor(readonly key: string | undefined) {}

  /** Bytes of an artifact that have come. */
  sizeOf(name: string): number {
    return this.#open.get(name)?.sizeBytes ?? 0
  }

  /** @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_NAME_INVALID */
  add({ name, bytes }: Pick<Chunk, 'name' | 'bytes'>): void {
    const artifact = this.#find(name)
    artifact.hash.update(bytes)
    artifact.sizeBytes += bytes.length
  }

  /** Ends an artifact. @throws BackupError IBT_HASH_MISMATCH, IBT_ARCHIVE_CORRUPT, IBT_NAME_INVALID */
  seal({ name, sizeBytes, sha256 }: Omit<Sealed, 'kind' | 'item'>): void {
    const found = this.close(name)
    if (found.sizeBytes === sizeBytes && found.sha256 === sha256) return
    const message = `${name} came with ${found.sizeBytes} bytes and the SHA-256 ${found.sha256}, not ${sizeBytes} and ${sha256}`
    throw new BackupError('IBT_HASH_MISMATCH', message, { path: name })
  }

  /** Ends an artifact, and says what came of it. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_NAME_INVALID */
  close(name: string): Pick<SealedArtifact, 'sizeBytes' | 'sha256'> {
    const { sizeBytes, hash } = this.#find(name)
    this.#open.delete(name)
    this.#sealed.add(name)
    return { sizeBytes, sha256: hash.digest('hex') }
  }

  /** An artifact that is not sealed is not whole. @throws BackupError IBT_ARCHIVE_CORRUPT */
  end(): void {
    for (const name of this.#open.keys()) throw corrupt(name, 'was never sealed')
  }

  #find(name: string): Open {
    const open = this.#open.get(name)
    if (open !== undefined) return open
    if (this.#sealed.has(name)) throw corrupt(name, 'goes on after its end')
    if (this.key !== undefined && parseArtifactName(name)?.key !== this.key) {
      throw new BackupError('IBT_NAME_INVALID', `${name} is not an artifact of ${this.key}`, { path: name })
    }
    if (this.#open.size === OPEN_MAX) throw corrupt(name, `is one of more than ${OPEN_MAX} artifacts at once`)
    if (this.#sealed.size === ARTIFACTS_MAX) throw corrupt(name, `is one of more than ${ARTIFACTS_MAX} artifacts`)
    const artifact = { hash: createHash('sha256'), sizeBytes: 0 }
    this.#open.set(name, artifact)
    return artifact
  }
}

function corrupt(name: string, what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `The stream of a backup is damaged: ${name} ${what}`, { path: name })
}
