import { none } from '../../src/codec/index.js'
import type { Codec, Source } from '../../src/types.js'

/** A codec of somebody's own: adds a number to every byte. */
export function shifted(by = 1, suffix = '.mine'): Codec {
  const plain = none()
  const add = (bytes: Uint8Array, number: number) => Uint8Array.from(bytes, byte => byte + number)
  return {
    ...plain,
    name: `shifted-${by}`,
    suffix,
    encode: async frame => add(frame, by),
    decode: async (stored, sizeBytes) => add(await plain.decode(stored, sizeBytes), -by),
    async *decodeAll(source: Source<Uint8Array>, name: string) {
      for await (const chunk of plain.decodeAll(source, name)) yield add(chunk, -by)
    }
  }
}
