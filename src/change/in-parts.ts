import { PART_BYTES } from '../constants.js'
import type { Source } from '../types.js'

/** The bytes in parts of `PART_BYTES`, each of which becomes an entry. Memory: one part, twice. */
export async function* inParts(source: Source<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let part: Uint8Array[] = []
  let partBytes = 0
  for await (let bytes of source) {
    while (partBytes + bytes.length > PART_BYTES) {
      const room = PART_BYTES - partBytes
      yield Buffer.concat([...part, bytes.subarray(0, room)])
      bytes = bytes.subarray(room)
      part = []
      partBytes = 0
    }
    part.push(bytes)
    partBytes += bytes.length
  }
  if (partBytes > 0) yield Buffer.concat(part)
}
