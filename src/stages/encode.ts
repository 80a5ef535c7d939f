import { cutFrame } from '../codec/cut-frame.js'
import { FRAMES_IN_FLIGHT } from '../constants.js'
import { batchStage, isBatch } from '../flow/batches.js'
import { artifactName } from '../format/names.js'
import { createScanner, type Scanner } from '../native.js'
import {
  type ArtifactEncoder,
  type BackupId,
  type Batch,
  type Batched,
  batchOf,
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
  /** Pieces that are compressed at the same time. Default: `FRAMES_IN_FLIGHT`. */
  readonly concurrency?: number | undefined
  /**
   * False if a stage behind it changes the stored bytes and seals anew, as `encrypt` does: `Sealed` has no SHA-256 then, an
   * empty text, which `stateEmit` and `publish` refuse. Default: true.
   */
  readonly digest?: boolean | undefined
}

/** Every `Piece` becomes chunks; whatever else there is stays what it is. */
export type EncodeStage = <T extends object>(
  source: Source<T>,
  context?: StageContext
) => AsyncGenerator<Exclude<T, Piece> | Chunk | Sealed, void, undefined>

/**
 * Compresses the frames of every artifact, several at a time, and seals the artifacts at the end of its source.
 *
 * Consumes `Piece`, yields a `Chunk` for each; at its end, for each artifact, the chunk with the seek table and `Sealed`.
 * Other items pass on. Order kept. Look-ahead: `concurrency` frames and the items between them.
 * Memory: twice the frames in flight, 3 MiB for each artifact, and 16 bytes for each frame that was written.
 *
 * @throws RangeError at the call for a concurrency that is not a positive integer.
 */
export function encode(codec: Codec, backup: BackupId, options: EncodeOptions = {}): EncodeStage {
  const { concurrency = FRAMES_IN_FLIGHT, digest = true } = options
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new RangeError('encode: concurrency is a positive integer')
  return batchStage<object, object>(async function* encodeStage(source) {
    const artifacts = new Map<Kind, Artifact>()
    const artifactOf = (kind: Kind) => {
      const found = artifacts.get(kind)
      if (found !== undefined) return found
      const name = artifactName(backup, kind, codec.suffix)
      const made = new Artifact({ kind, name, encoder: codec.encoder?.() ?? codec, hasDigest: digest })
      artifacts.set(kind, made)
      return made
    }
    const queue: Batched<object | InFlight>[] = []
    let inFlight = 0
    for await (const item of source) {
      for (const part of partsOf(item)) {
        if (part.piece === undefined) queue.push(part.item)
        else {
          queue.push(new InFlight(artifactOf(part.piece.kind), part, codec))
          inFlight++
        }
      }
      while (queue.length > 0 && (inFlight >= concurrency || isReady(queue[0]!))) {
        const head = queue.shift()!
        if (head instanceof InFlight) {
          inFlight--
          yield await head.chunk()
        } else yield head
      }
    }
    for (const item of queue) {
      if (item instanceof InFlight) yield await item.chunk()
      else yield item
    }
    for (const artifact of artifacts.values()) yield* artifact.seal()
  }) as EncodeStage
}

interface Part {
  readonly item: Batched<object>
  /** If it is one, and what its memory is leased with. */
  readonly piece?: Piece
  readonly lease?: Batch<object> | undefined
}

/** Pieces one by one. A batch that holds none passes as it is. */
function* partsOf(item: Batched<object>): Generator<Part, void, undefined> {
  if (!isBatch(item)) yield isPiece(item) ? { item, piece: item } : { item }
  else if (item[batchOf] !== 'items') yield { item }
  else {
    const lease = item.length === 1 ? item : undefined
    for (const single of item) {
      if (isPiece(single)) {
        if (lease === undefined) item.keep?.()
        yield { item: single, piece: single, lease }
      } else yield { item: single }
    }
  }
}

/** One piece on its way through the codec: one chunk, be it that the piece was cut into several frames. */
class InFlight {
  isDone = false
  readonly #chunk: Promise<Chunk>

  constructor(
    readonly artifact: Artifact,
    readonly part: Part,
    readonly codec: Codec
  ) {
    const done = () => {
      this.isDone = true
    }
    const { frame } = part.piece!
    // Of what is stored as it is, any part can be read alone.
    const frames = codec.suffix === '' ? [frame] : cutFrame(frame)
    this.#chunk = artifact.chunk(frames)
    this.#chunk.then(done, done)
  }

  async chunk(): Promise<Chunk> {
    const chunk = await this.#chunk
    const { lease, piece } = this.part
    // A codec that was made of another one's fields may say what is true of that one only.
    const isCopied = this.codec.copies && chunk.bytes.buffer !== piece!.frame.buffer
    if (isCopied) lease?.release?.()
    else lease?.keep?.()
    return chunk
  }
}

function isReady(item: object): boolean {
  return !(item instanceof InFlight) || item.isDone
}

interface ArtifactOptions {
  readonly kind: Kind
  readonly name: string
  readonly encoder: ArtifactEncoder
  readonly hasDigest: boolean
}

/** What has been stored of one artifact. */
class Artifact {
  readonly encoder: ArtifactEncoder
  readonly #frames: FrameSize[] = []
  readonly #scanner: Scanner | undefined
  #last: Promise<unknown> = Promise.resolve()
  #sizeBytes = 0

  constructor(readonly options: ArtifactOptions) {
    this.encoder = options.encoder
    this.#scanner = options.hasDigest ? createScanner({}) : undefined
  }

  /** Frames as one chunk. It is hashed before anybody else has it, behind those that were asked for before. */
  chunk(frames: readonly Uint8Array[]): Promise<Chunk> {
    const encoding = Promise.all(frames.map(frame => this.encoder.encode(frame)))
    // It may fail before its turn comes.
    encoding.catch(() => {})
    return this.#add(async () => {
      const stored = await encoding
      for (const [i, { length }] of stored.entries())
        this.#frames.push({ storedBytes: length, sizeBytes: frames[i]!.length })
      // One chunk costs all that comes behind less than its parts: a job to hash it, a turn of each stage and store.
      return stored.length === 1 ? stored[0]! : Buffer.concat(stored)
    })
  }

  async *seal(): AsyncGenerator<Chunk | Sealed, void, undefined> {
    await this.#last
    const table = await this.encoder.finish(this.#frames)
    if (table.length > 0) yield await this.#add(async () => table)
    const { name, kind } = this.options
    const sha256 = (await this.#scanner?.finish())?.sha256.toString('hex') ?? ''
    yield { item: 'sealed', name, kind, sizeBytes: this.#sizeBytes, sha256 }
  }

  #add(take: () => Promise<Uint8Array>): Promise<Chunk> {
    const before = this.#last
    const { name, kind } = this.options
    const added = async () => {
      await before
      const bytes = await take()
      await this.#scanner?.update(bytes)
      this.#sizeBytes += bytes.length
      return { item: 'chunk', name, kind, bytes } as const
    }
    const chunk = added()
    this.#last = chunk
    return chunk
  }
}
