import { FRAME_BYTES } from '../constants.js'
import type { ArtifactEncoder, Codec, FrameIndex, FrameSize, OpenedRange, ReadRange, Source } from '../types.js'
import { openArchive } from './archive-reader.js'

/**
 * Two codecs as one: what `first` writes, `second` encodes: `chainCodecs(zstd(), mine)` writes artifacts that end in
 * `.zst.mine`. Decoded with `second` alone, an artifact is exactly what `first` would have stored, seek table included.
 *
 * Memory: per artifact 16 bytes for each frame of both codecs. When reading, that of both.
 */
export function chainCodecs(first: Codec, second: Codec): Codec {
  return {
    name: `${first.name}+${second.name}`,
    suffix: first.suffix + second.suffix,
    encode: async frame => (await new ChainEncoder(first, second).encode(frame)) as Uint8Array,
    encoder: () => new ChainEncoder(first, second),
    finish() {
      throw new TypeError('A chain of codecs is finished by the encoder of the artifact')
    },
    // What `index` reads frames from has been decoded by `second` already.
    decode: (stored, sizeBytes) => first.decode(stored, sizeBytes),
    async index(read, storedBytes, name) {
      const between = await rangesOf(second, read, storedBytes, name)
      return readFrom(await first.index(between.read, between.sizeBytes, name), between.read)
    },
    decodeAll: (source: Source<Uint8Array>, name: string) => first.decodeAll(second.decodeAll(source, name), name),
    ...(second.encrypted && {
      encrypted: {
        cipher: second.encrypted.cipher,
        // A cipher alone has nothing but stored bytes in it.
        inner: second.encrypted.inner.suffix === '' ? first : chainCodecs(first, second.encrypted.inner)
      }
    })
  }
}

async function rangesOf(codec: Codec, read: ReadRange, storedBytes: number, name: string): Promise<OpenedRange> {
  if (codec.ranges !== undefined) return codec.ranges(read, storedBytes, name)
  const archive = await openArchive(read, storedBytes, codec, name)
  return { sizeBytes: archive.sizeBytes, read: (start, end) => archive.view(start, end - start) }
}

/** An index whose frames are read from what the second codec decodes. */
function readFrom(index: FrameIndex, read: ReadRange): FrameIndex {
  return {
    frames: index.frames,
    sizeBytes: index.sizeBytes,
    read: index.read ?? read,
    frame: number => index.frame(number),
    find: offset => index.find(offset)
  }
}

/** Encodes one artifact, and remembers how long its frames are between the codecs. */
class ChainEncoder implements ArtifactEncoder {
  readonly #first: ArtifactEncoder
  readonly #second: ArtifactEncoder
  /** In the order of the calls. */
  readonly #between: { readonly first: FrameSize[]; readonly second: FrameSize[] }[] = []

  constructor(first: Codec, second: Codec) {
    this.#first = first.encoder?.() ?? first
    this.#second = second.encoder?.() ?? second
  }

  async encode(frame: Uint8Array): Promise<Uint8Array> {
    const sizes = { first: [] as FrameSize[], second: [] as FrameSize[] }
    this.#between.push(sizes)
    const between = await this.#first.encode(frame)
    sizes.first.push({ storedBytes: between.length, sizeBytes: frame.length })
    return this.#encodeSecond(between, sizes.second)
  }

  /** The seek table of the first codec goes through the second one; then that one's own table follows. */
  async finish(): Promise<Uint8Array> {
    const table = await this.#first.finish(this.#between.flatMap(({ first }) => first))
    const second = this.#between.flatMap(sizes => sizes.second)
    const stored = await this.#encodeSecond(table, second)
    return Buffer.concat([stored, await this.#second.finish(second)])
  }

  /** In pieces of at most `FRAME_BYTES`: what the first codec could not compress is longer than a frame. */
  async #encodeSecond(bytes: Uint8Array, sizes: FrameSize[]): Promise<Uint8Array> {
    const stored: Uint8Array[] = []
    for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
      const piece = bytes.subarray(at, at + FRAME_BYTES)
      const encoded = await this.#second.encode(piece)
      stored.push(encoded)
      sizes.push({ storedBytes: encoded.length, sizeBytes: piece.length })
    }
    return stored.length === 1 ? stored[0]! : Buffer.concat(stored)
  }
}
