import { decodeFrames, type FindCodec } from '../codec/index.js'
import { FRAME_BYTES } from '../constants.js'
import { Channel } from '../flow/channel.js'
import { parseArtifactName } from '../format/names.js'
import { decodeStateClosing } from '../format/state-decode.js'
import { encodeStateClosing } from '../format/state-encode.js'
import type { Chunk, Codec, Piece, SealedArtifact } from '../types.js'

/** The text of a state that is being sent, as pieces. Memory: two frames of it and one line. */
export class SentState {
  readonly #input = new Channel<Uint8Array>()
  #reading: Promise<void> | undefined
  #ready: Buffer[] = []
  /** The last line, or what there is of it. */
  #last = Buffer.alloc(0)
  #isClosed = false
  #codec: Codec | undefined
  #wake: () => void = () => {}
  #resume: () => void = () => {}

  constructor(readonly find: FindCodec) {}

  /** What it was compressed with: known when its first bytes have come. */
  get codec(): Codec {
    return this.#codec!
  }

  /** Yields the whole lines that are there by now, but for the last. */
  add({ name, bytes }: Chunk): AsyncGenerator<Piece, void, undefined> {
    this.#reading ??= this.#read(name)
    this.#reading.catch(() => {})
    // What the reader has stopped for says more than that it has stopped.
    return this.#until(this.#input.push(bytes).catch(() => this.#reading))
  }

  end(): AsyncGenerator<Piece, void, undefined> {
    this.#input.end()
    return this.#until(this.#reading)
  }

  /** The last line, with the artifacts of a date as they were sealed. */
  closing(date: string, sealed: readonly SealedArtifact[]): Iterable<Piece> {
    const { totals, artifacts, linesSha256 } = decodeStateClosing(this.#last.toString('utf8'))
    const renamed = artifacts.map(artifact => {
      const own = artifact.date === date ? sealed.find(({ kind }) => kind === artifact.kind) : undefined
      return own === undefined
        ? artifact
        : { ...artifact, name: own.name, sizeBytes: own.sizeBytes, sha256: own.sha256 }
    })
    return toPieces(Buffer.from(`${encodeStateClosing({ totals, artifacts: renamed, linesSha256 })}\n`, 'utf8'))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#input.fail(new Error('The backup is not complete'))
    this.#resume()
    await this.#reading?.catch(() => {})
  }

  async #read(name: string): Promise<void> {
    const codec = this.find(parseArtifactName(name)!.suffixes)!
    this.#codec = codec
    for await (const bytes of decodeFrames(this.#input, codec, name)) {
      const text = Buffer.concat([this.#last, bytes])
      const end = text.lastIndexOf(0x0a, -2) + 1
      this.#ready.push(text.subarray(0, end))
      this.#last = text.subarray(end)
      this.#wake()
      // A few bytes can become very many.
      while (this.#ready.length > 0 && !this.#isClosed) await new Promise<void>(resolve => (this.#resume = resolve))
    }
  }

  /** Yields text until a promise is settled: the reader waits for that. */
  async *#until(promise: Promise<unknown> | undefined): AsyncGenerator<Piece, void, undefined> {
    let isOver = false
    const over = () => {
      isOver = true
      this.#wake()
    }
    promise?.then(over, over)
    while (promise !== undefined && !isOver) {
      if (this.#ready.length === 0) await new Promise<void>(resolve => (this.#wake = resolve))
      yield* this.#take()
    }
    await promise
    yield* this.#take()
  }

  *#take(): Generator<Piece, void, undefined> {
    for (const text of this.#ready.splice(0)) yield* toPieces(text)
    this.#resume()
  }
}

function* toPieces(text: Buffer): Generator<Piece, void, undefined> {
  for (let at = 0; at < text.length; at += FRAME_BYTES) {
    yield { item: 'piece', kind: 'state', frame: text.subarray(at, at + FRAME_BYTES) }
  }
}
