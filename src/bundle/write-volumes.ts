import { createHash } from 'node:crypto'
import { CHUNK_BYTES, VOLUME_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { ByteReader } from '../format/byte-reader.js'
import { padding } from '../format/tar.js'
import { VOLUMES_MAX } from '../format/volume-names.js'
import type { Chunk, Kind, Sealed, SealedArtifact, Source } from '../types.js'
import { encodeVolume } from './volume.js'

/** Options of whatever writes a bundle. */
export interface BundleOptions {
  /** Bytes of one volume, at most. Default: `VOLUME_BYTES`. */
  readonly volumeBytes?: number | undefined
}

/** @throws RangeError for a size that is not a positive whole number. */
export function checkVolumeBytes({ volumeBytes = VOLUME_BYTES }: BundleOptions): number {
  if (Number.isSafeInteger(volumeBytes) && volumeBytes > 0) return volumeBytes
  throw new RangeError(`volumeBytes is a positive number of bytes, not ${volumeBytes}`)
}

/** After so many volumes of one artifact they become twice as long, so that their numbers suffice. */
const VOLUMES_OF_A_SIZE = 20_000

/** An artifact whose size is known only at its end: its chunks are gathered to volumes in memory. */
export class GatheredVolumes {
  #chunks: Uint8Array[] = []
  #gatheredBytes = 0
  #offset = 0
  #volumes = 0

  constructor(
    readonly name: string,
    readonly kind: Kind,
    readonly volumeBytes: number
  ) {}

  /** A volume goes out when a byte comes that has no room in it: the last one is never empty. */
  *add({ bytes }: Chunk): Generator<Uint8Array, void, undefined> {
    for (let rest = bytes; rest.length > 0; ) {
      const room = this.volumeBytes * 2 ** Math.floor(this.#volumes / VOLUMES_OF_A_SIZE) - this.#gatheredBytes
      if (room === 0) yield* this.#write()
      else {
        const part = rest.subarray(0, room)
        this.#chunks.push(part)
        this.#gatheredBytes += part.length
        rest = rest.subarray(part.length)
      }
    }
  }

  *seal({ sizeBytes, sha256 }: Sealed): Generator<Uint8Array, void, undefined> {
    yield* this.#write({ sizeBytes, sha256 })
  }

  *#write(whole?: Pick<SealedArtifact, 'sizeBytes' | 'sha256'>): Generator<Uint8Array, void, undefined> {
    const { name, kind } = this
    const sizeBytes = this.#gatheredBytes
    const isWhole = whole !== undefined && this.#volumes === 0
    const volume = isWhole ? undefined : nextVolume(name, this.#volumes)
    yield encodeVolume({ name, kind, volume, offset: this.#offset, sizeBytes, whole })
    yield* this.#chunks
    yield* padded(sizeBytes)
    this.#chunks = []
    this.#gatheredBytes = 0
    this.#offset += sizeBytes
    this.#volumes++
  }
}

/** Where a receiver of an artifact is: it has so many whole volumes with so many bytes. */
export interface ResumePoint {
  readonly volumes: number
  readonly sizeBytes: number
}

/**
 * The entries of an artifact whose size is known, as its bytes come. Memory: one chunk.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED, IBT_HASH_MISMATCH if the stored artifact is not what was sealed.
 */
export async function* knownVolumes(
  { name, kind, sizeBytes, sha256 }: SealedArtifact,
  readFrom: (start: number) => Source<Uint8Array>,
  volumeBytes: number,
  from: ResumePoint = { volumes: 0, sizeBytes: 0 }
): AsyncGenerator<Uint8Array, void, undefined> {
  const whole = { sizeBytes, sha256 }
  const hash = from.sizeBytes === 0 ? createHash('sha256') : undefined
  const room = Math.max(volumeBytes, Math.ceil((sizeBytes - from.sizeBytes) / (VOLUMES_MAX - from.volumes)))
  const isWhole = from.volumes === 0 && sizeBytes <= room
  const reader = new ByteReader(readFrom(from.sizeBytes))
  try {
    let offset = from.sizeBytes
    let volumes = from.volumes
    do {
      const length = Math.min(room, sizeBytes - offset)
      const volume = isWhole ? undefined : nextVolume(name, volumes++)
      yield encodeVolume({ name, kind, volume, offset, sizeBytes: length, whole })
      for (const end = offset + length; offset < end; ) {
        const bytes = await reader.some(Math.min(CHUNK_BYTES, end - offset))
        if (bytes.length === 0) throw tooShort(name, offset, sizeBytes)
        hash?.update(bytes)
        offset += bytes.length
        yield bytes
      }
      yield* padded(length)
    } while (offset < sizeBytes)
  } finally {
    await reader.close()
  }
  const found = hash?.digest('hex') ?? sha256
  if (found === sha256) return
  throw new BackupError('IBT_HASH_MISMATCH', `${name} has the SHA-256 ${found}, not ${sha256}`, { path: name })
}

function nextVolume(name: string, volumes: number): number {
  if (volumes < VOLUMES_MAX) return volumes + 1
  const message = `${name} does not fit into ${VOLUMES_MAX} volumes: give larger ones`
  throw new BackupError('IBT_WRITE_FAILED', message, { path: name })
}

function* padded(sizeBytes: number): Generator<Uint8Array, void, undefined> {
  const fill = padding(sizeBytes)
  if (fill > 0) yield new Uint8Array(fill)
}

function tooShort(name: string, found: number, wanted: number): BackupError {
  const message = `${name} ends after ${found} bytes in the store, not after ${wanted}`
  return new BackupError('IBT_ARCHIVE_TRUNCATED', message, { path: name })
}
