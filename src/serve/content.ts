import { PART_BYTES } from '../constants.js'
import { pipe } from '../interop/pipe.js'
import { patch } from '../stages/patch.js'
import { unpack } from '../stages/unpack.js'
import type { Chain } from '../stores/chain.js'
import type { Layered, StateEntry } from '../types.js'
import type { Extent } from './range.js'

/**
 * Bytes of a file of a backup. A whole content that is longer than `PART_BYTES` is read where the range is, and then only
 * its frames are proven; any other is made from its beginning, and proven by its SHA-256 as `patch` does it.
 */
export async function* fileBytes(
  chain: Chain,
  entry: StateEntry,
  { start, end }: Extent,
  signal: AbortSignal
): AsyncGenerator<Uint8Array, void, undefined> {
  const isPart = start > 0 || end < (entry.sizeBytes ?? 0)
  if (isPart && end > PART_BYTES) {
    for await (const layered of unpack([entry], chain.openArchive)) {
      const blocks = await blocksOf(layered)
      if (blocks === undefined || blocks.sizeBytes !== entry.sizeBytes) break
      for (let at = start; at < end; ) {
        signal.throwIfAborted()
        const found = await blocks.at(at)
        const bytes = found.bytes.subarray(at - found.start, end - found.start)
        // The frame stays in memory that others read.
        yield Buffer.from(bytes)
        at += bytes.length
      }
      return
    }
  }
  let offset = 0
  for await (const { content } of pipe([entry], entries => unpack(entries, chain.openArchive), patch(), { signal })) {
    for await (const chunk of content?.open() ?? []) {
      const bytes = chunk.subarray(Math.max(0, start - offset), Math.max(0, end - offset))
      offset += chunk.length
      if (bytes.length > 0) yield bytes
      if (isPart && offset >= end) return
    }
  }
}

async function blocksOf({ layers = [] }: Layered) {
  return layers.length === 1 ? layers[0]!.blocks?.() : undefined
}
