import { FRAME_BYTES } from '../constants.js'
import type { Codec, FrameIndex, PlacedFrame, ReadRange, Source } from '../types.js'
import { corruptFrame } from './limits.js'

/** Stores frames as they are, without anything behind them: plain tar. What cuts such an artifact only its digest tells. */
export function none(): Codec {
  return {
    name: 'none',
    suffix: '',
    encode: async frame => frame,
    decode,
    finish: () => new Uint8Array(0),
    index: async (_read, storedBytes) => new EqualFrames(storedBytes),
    decodeAll
  }
}

async function decode(stored: Uint8Array, sizeBytes: number): Promise<Uint8Array> {
  if (stored.length !== sizeBytes) throw corruptFrame(`${stored.length} bytes, not ${sizeBytes}`)
  return stored
}

/** Whether any part can be read alone. A codec that was made of the fields of `none` may decode frames in its own way. */
export function isPlain(codec: Codec, index: FrameIndex): boolean {
  return codec.decode === decode && index instanceof EqualFrames
}

async function* decodeAll(source: Source<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  if (source instanceof Uint8Array)
    throw new TypeError('Expected a source of chunks, not one chunk: put it into an array')
  for await (const chunk of source) if (chunk.length > 0) yield chunk
}

/** Bytes that can be read anywhere, as if in frames of `FRAME_BYTES`. Memory: none. */
export class EqualFrames implements FrameIndex {
  readonly frames: number

  constructor(
    readonly sizeBytes: number,
    readonly read?: ReadRange
  ) {
    this.frames = Math.ceil(sizeBytes / FRAME_BYTES)
  }

  frame(index: number): PlacedFrame {
    const start = index * FRAME_BYTES
    const sizeBytes = Math.min(FRAME_BYTES, this.sizeBytes - start)
    return { storedStart: start, start, storedBytes: sizeBytes, sizeBytes }
  }

  find(offset: number): number {
    return Math.floor(offset / FRAME_BYTES)
  }
}
