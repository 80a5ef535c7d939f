import { createHash, type Hash } from 'node:crypto'
import { FRAMES_IN_FLIGHT } from '../constants.js'
import { artifactName } from '../format/names.js'
import type { Memory } from '../memory.js'
import {
  type BackupId,
  type Chunk,
  type Codec,
  type FrameSize,
  isPiece,
  type Kind,
  type Piece,
  type Sealed,
  type Source,
  type StageContext
} from '../types.js'

/** Options of `encode`. */
export interface EncodeOptions {
  /** Frames that are compressed at the same time. Default: `FRAMES_IN_FLIGHT`. */
  readonly concurrency?: number | undefined
  /** Takes frames back that are compressed. Shared with the `pack` that comes directly before. */
  readonly memory?: Memory | undefined
}

/** Every `Piece` becomes chunks; whatever else there is stays what it is. */
export type EncodeStage = <T extends object>(
  source: Source<T>,
  context?: StageContext
) => AsyncGenerator<Exclude<T, Piece> | Chunk | Sealed, void, undefined>

/**
 * Compresses the frames of every artifact, several at a time, and seals the artifacts at the end of its source.
 *
 * Consumes `Piece`, yields `Chunk`; at its end, for each artifact, the chunk with the seek table and `Sealed`.
 * Other items pass on. Order kept. Look-ahead: `concurrency` frames and the items between them.
 * Memory: twice the frames in flight, and 16 bytes for each frame that was written.
 *
 * @throws RangeError at the call for a concurrency that is no positive integer.
 */
export function encode(codec: Codec, backup: BackupId, options: EncodeOptions = {}): EncodeStage {
  const { concurrency = FRAMES_IN_FLIGHT, memory } = options
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new RangeError('encode: concurrency is a positive integer')
  return async function* encodeStage<T extends object>(source: Source<T>) {
    const artifacts = new Map<Kind, Artifact>()
    const queue: (Exclude<T, Piece> | InFlight)[] = []
    let inFlight = 0
    for await (const item of source) {
      if (isPiece(item)) {
        queue.push(new InFlight(artifactOf(artifacts, item.kind, codec, backup), item.frame, codec))
        inFlight++
      } else if (queue.length === 0) yield item as Exclude<T, Piece>
      else queue.push(item as Exclude<T, Piece>)
      while (queue.length > 0 && (inFlight >= concurrency || isReady(queue[0]!))) {
        const head = queue.shift()!
        if (head instanceof InFlight) {
          inFlight--
          yield await head.chunk(memory)
        } else yield head
      }
    }
    for (const item of queue) yield item instanceof InFlight ? await item.chunk(memory) : item
    for (const artifact of artifacts.values()) yield* artifact.seal(codec)
  }
}

/** One frame on its way through the codec. */
class InFlight {
  isDone = false
  readonly #stored: Promise<Uint8Array>

  constructor(
    readonly artifact: Artifact,
    readonly frame: Uint8Array,
    codec: Codec
  ) {
    const done = () => {
      this.isDone = true
    }
    this.#stored = codec.encode(frame)
    this.#stored.then(done, done)
  }

  async chunk(memory: Memory | undefined): Promise<Chunk> {
    const stored = await this.#stored
    if (stored.buffer !== this.frame.buffer) memory?.done(this.frame)
    return this.artifact.chunk(stored, this.frame.length)
  }
}

function isReady(item: object): boolean {
  return !(item instanceof InFlight) || item.isDone
}

function artifactOf(artifacts: Map<Kind, Artifact>, kind: Kind, codec: Codec, backup: BackupId): Artifact {
  let artifact = artifacts.get(kind)
  if (artifact === undefined)
    artifacts.set(kind, (artifact = new Artifact(kind, artifactName(backup, kind, codec.suffix))))
  return artifact
}

/** What has been stored of one artifact. */
class Artifact {
  readonly #frames: FrameSize[] = []
  readonly #hash: Hash = createHash('sha256')
  #sizeBytes = 0

  constructor(
    readonly kind: Kind,
    readonly name: string
  ) {}

  chunk(bytes: Uint8Array, frameBytes: number): Chunk {
    this.#frames.push({ storedBytes: bytes.length, sizeBytes: frameBytes })
    return this.#add(bytes)
  }

  *seal(codec: Codec): Generator<Chunk | Sealed, void, undefined> {
    const table = codec.finish(this.#frames)
    if (table.length > 0) yield this.#add(table)
    const { name, kind } = this
    yield { name, kind, sizeBytes: this.#sizeBytes, sha256: this.#hash.digest('hex') }
  }

  #add(bytes: Uint8Array): Chunk {
    this.#hash.update(bytes)
    this.#sizeBytes += bytes.length
    return { name: this.name, kind: this.kind, bytes }
  }
}
