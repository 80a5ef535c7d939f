import type { Cipher } from '../../src/types.js'
import { bytesOf } from '../helpers/entries.js'

const invert = (bytes: Uint8Array) => Uint8Array.from(bytes, byte => byte ^ 255)

/** A cipher of somebody's own: turns every bit, between two brackets. It has no ranges. */
export function inverted(suffix = '.inv'): Cipher {
  return {
    name: 'inverted',
    suffix,
    async *seal(source) {
      yield invert(Buffer.from('<'))
      for await (const bytes of source) if (bytes.length > 0) yield invert(bytes)
      yield invert(Buffer.from('>'))
    },
    async *open(source, name) {
      const plain = Buffer.from(invert(await bytesOf(source)))
      if (plain.at(0) !== 60 || plain.at(-1) !== 62) throw new Error(`${name} is damaged`)
      yield plain.subarray(1, -1)
    }
  }
}

/** One that gives everything at the end. */
export function holding(): Cipher {
  return {
    ...inverted(),
    async *seal(source) {
      yield await bytesOf(source)
    }
  }
}
