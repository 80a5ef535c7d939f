import { batchStage, isBatch } from '../flow/batches.js'
import { batchOf, isChunk, isPiece, type Kind, type Stage } from '../types.js'

const KINDS: ReadonlySet<Kind> = new Set(['full', 'created', 'updated', 'sigvault', 'state'])

/**
 * The bytes of one artifact alone, for any sink of bytes.
 *
 * Consumes `Piece` and `Chunk`; yields the bytes of those of that kind, and drops every other item. Order kept.
 * No look-ahead. Memory: constant.
 *
 * @throws TypeError at the call for anything but a kind of artifact.
 */
export function only(kind: Kind): Stage<object, Uint8Array> {
  if (!KINDS.has(kind)) throw new TypeError(`only: a kind of artifact is expected: ${[...KINDS].join(', ')}`)
  return batchStage<object, Uint8Array>(async function* onlyStage(source) {
    for await (const item of source) {
      if (isBatch(item) && item[batchOf] !== 'items') continue
      for (const single of isBatch(item) ? item : [item]) {
        if (isPiece(single) && single.kind === kind) {
          if (isBatch(item)) item.keep?.()
          yield single.frame
        } else if (isChunk(single) && single.kind === kind) yield single.bytes
      }
    }
  })
}
