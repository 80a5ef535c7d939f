import { HOLE_BYTES } from '../constants.js'
import { EXTENTS_MAX, isHole, isZeros } from '../format/sparse-map.js'
import type { Extent, Source } from '../types.js'

/**
 * Where a content holds data: all blocks of `HOLE_BYTES` that are not zeros. Undefined if it has more than `EXTENTS_MAX` of
 * them in a row: it is stored with its zeros then. Reads the content once. Memory: the extents.
 */
export async function findExtents(content: Source<Uint8Array>): Promise<readonly Extent[] | undefined> {
  const extents: { offset: number; sizeBytes: number }[] = []
  let position = 0
  for await (const chunk of content) {
    const end = position + chunk.length
    if (isHole(chunk)) position = end
    while (position < end) {
      const blockEnd = Math.min(end, position - (position % HOLE_BYTES) + HOLE_BYTES)
      const at = chunk.length - (end - position)
      if (!isZeros(chunk.subarray(at, at + blockEnd - position))) {
        const last = extents.at(-1)
        if (last !== undefined && last.offset + last.sizeBytes === position) last.sizeBytes += blockEnd - position
        else if (extents.length === EXTENTS_MAX) return undefined
        else extents.push({ offset: position, sizeBytes: blockEnd - position })
      }
      position = blockEnd
    }
  }
  return extents
}
