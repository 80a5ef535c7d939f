import { createHash, type Hash } from 'node:crypto'
import { BackupError } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { checkKey, parseArtifactName } from '../format/names.js'
import { decodeWire, encodeChunk, encodeCounted, encodeEnd, encodePreamble, encodeSealed } from '../format/wire.js'
import {
  type Chunk,
  type Counted,
  isChunk,
  isCounted,
  isEntry,
  isPiece,
  isSealed,
  type Sealed,
  type Stage
} from '../types.js'

/** Artifacts of one stream, at most: a backup has five. */
const ARTIFACTS_MAX = 16

/**
 * A backup as one stream of bytes, for a socket, a pipe or a file; `fromWire` reads it.
 *
 * Consumes `Chunk`, `Sealed` and `Counted`; yields bytes, and drops other items. Order kept. No look-ahead.
 * The bytes of chunks pass as they are. The stream ends with a frame that says so: one that was cut off is known by it.
 *
 * @throws TypeError for entries and pieces: `encode` and `stateEmit` come before it.
 */
export function toWire(): Stage<Chunk | Sealed | Counted, Uint8Array> {
  return async function* toWireStage(source) {
    yield encodePreamble()
    for await (const item of source) {
      if (isChunk(item)) yield* encodeChunk(item)
      else if (isSealed(item)) yield encodeSealed(item)
      else if (isCounted(item)) yield encodeCounted(item)
      else if (isPiece(item) || isEntry(item)) {
        throw new TypeError('toWire: encode, stateEmit and another encode come before it')
      }
    }
    yield encodeEnd()
  }
}

/** Options of `fromWire`. */
export interface FromWireOptions {
  /** Refuses artifacts of every other key: what a sender may write. Default: any key. */
  readonly key?: string | undefined
}

/**
 * Reads what `toWire` has written, from a sender that need not be trusted: names of artifacts alone are let through, and
 * each artifact has to have the size and the SHA-256 that it is sealed with.
 *
 * Consumes bytes, cut anywhere; yields `Chunk`, `Sealed` and `Counted`, in their order. Reads to the end of the source.
 * No look-ahead. Memory: one frame of up to 1 MiB.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED if the stream was cut off, IBT_ARCHIVE_CORRUPT, IBT_HASH_MISMATCH,
 * IBT_NAME_INVALID, IBT_STATE_VERSION.
 */
export function fromWire(options: FromWireOptions = {}): Stage<Uint8Array, Chunk | Sealed | Counted> {
  const { key } = options
  if (key !== undefined) checkKey(key)
  return async function* fromWireStage(source) {
    const received = new Received(key)
    const breather = createBreather()
    for await (const item of decodeWire(source)) {
      if (breather.due()) await breather.pause()
      if (isChunk(item)) received.add(item)
      else if (isSealed(item)) received.seal(item)
      yield item
    }
    received.end()
  }
}

interface Artifact {
  readonly hash: Hash
  sizeBytes: number
  isSealed: boolean
}

/** What has come of each artifact. */
class Received {
  readonly #artifacts = new Map<string, Artifact>()

  constructor(readonly key: string | undefined) {}

  add({ name, bytes }: Chunk): void {
    const artifact = this.#open(name)
    artifact.hash.update(bytes)
    artifact.sizeBytes += bytes.length
  }

  seal({ name, sizeBytes, sha256 }: Sealed): void {
    const artifact = this.#open(name)
    artifact.isSealed = true
    const found = artifact.hash.digest('hex')
    if (artifact.sizeBytes === sizeBytes && found === sha256) return
    const message = `${name} came with ${artifact.sizeBytes} bytes and the SHA-256 ${found}, not ${sizeBytes} and ${sha256}`
    throw new BackupError('IBT_HASH_MISMATCH', message, { path: name })
  }

  /** An artifact that is not sealed is not whole. */
  end(): void {
    for (const [name, { isSealed }] of this.#artifacts) if (!isSealed) throw corrupt(name, 'was never sealed')
  }

  #open(name: string): Artifact {
    const open = this.#artifacts.get(name)
    if (open?.isSealed) throw corrupt(name, 'goes on after its end')
    if (open !== undefined) return open
    if (this.key !== undefined && parseArtifactName(name)?.key !== this.key) {
      throw new BackupError('IBT_NAME_INVALID', `${name} is not an artifact of ${this.key}`, { path: name })
    }
    if (this.#artifacts.size === ARTIFACTS_MAX) throw corrupt(name, `is one of more than ${ARTIFACTS_MAX} artifacts`)
    const artifact = { hash: createHash('sha256'), sizeBytes: 0, isSealed: false }
    this.#artifacts.set(name, artifact)
    return artifact
  }
}

function corrupt(name: string, what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `The stream of a backup is damaged: ${name} ${what}`, { path: name })
}
