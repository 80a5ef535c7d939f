import type { Codec, FrameSize, ReadRange } from '../../src/types.js'

/** Bytes of a fixed seed that compress to about a half. */
export function someBytes(length: number, seed = 1): Uint8Array {
  const bytes = Buffer.alloc(length)
  let state = seed >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = 97 + ((state >>> 0) % 16)
  }
  return bytes
}

export interface Built {
  readonly stored: Buffer
  readonly content: Buffer
  /** Offsets in `stored` where a frame ends. */
  readonly borders: readonly number[]
}

/** An artifact as `encode` stores it. */
export async function build(codec: Codec, frames: readonly Uint8Array[]): Promise<Built> {
  const sizes: FrameSize[] = []
  const chunks: Uint8Array[] = []
  const borders: number[] = []
  let end = 0
  for (const frame of frames) {
    const stored = await codec.encode(frame)
    sizes.push({ storedBytes: stored.length, sizeBytes: frame.length })
    chunks.push(stored)
    borders.push((end += stored.length))
  }
  chunks.push(codec.finish(sizes))
  return { stored: Buffer.concat(chunks), content: Buffer.concat(frames), borders }
}

/** Reads ranges of bytes in memory, and counts the requests. */
export function rangesOf(bytes: Uint8Array): ReadRange & { requests: number } {
  const read = async (start: number, end: number) => {
    ranges.requests++
    return bytes.slice(start, end)
  }
  const ranges = Object.assign(read, { requests: 0 })
  return ranges
}

export function* inChunks(bytes: Uint8Array, length: number): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}
