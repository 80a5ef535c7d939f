import { CHUNK_BYTES } from '../constants.js'
import { zeros } from '../format/sparse-map.js'
import type { Extent } from '../types.js'
import { readChunk } from './disk.js'

/**
 * The chunks of an open file of `sizeBytes` up to its end, wherever that is by now; the next one is being read while one
 * is used. Of a sparse file only the extents are read, all else is zeros: a chunk that is shorter than its extent is the
 * last. Memory: two chunks.
 */
export async function* readAhead(
  fd: number,
  sizeBytes: number,
  extents: readonly Extent[] | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  const reads = extents === undefined ? readsToEnd(fd) : readsOf(fd, extents, sizeBytes)
  let next = start(reads)
  while (next !== undefined) {
    const { wanted } = next
    const chunk = await next.chunk
    next = chunk.length < wanted ? undefined : start(reads)
    try {
      if (chunk.length > 0) yield chunk
    } finally {
      // The descriptor is closed after this: no read may be under way then.
      await next?.chunk.catch(() => {})
    }
  }
}

interface Read {
  readonly wanted: number
  readonly read: () => Promise<Uint8Array>
}

function start(reads: Iterator<Read>): { readonly wanted: number; readonly chunk: Promise<Uint8Array> } | undefined {
  const { value, done } = reads.next()
  if (done) return undefined
  const chunk = value.read()
  chunk.catch(() => {})
  return { wanted: value.wanted, chunk }
}

function* readsToEnd(fd: number): Generator<Read, void, undefined> {
  for (let at = 0; ; at += CHUNK_BYTES) yield { wanted: CHUNK_BYTES, read: () => readChunk(fd, at) }
}

function* readsOf(fd: number, extents: readonly Extent[], sizeBytes: number): Generator<Read, void, undefined> {
  let end = 0
  for (const { offset, sizeBytes: length } of extents) {
    yield* readsOfHole(offset - end)
    end = offset + length
    for (let at = offset; at < end; at += CHUNK_BYTES) {
      const wanted = Math.min(CHUNK_BYTES, end - at)
      yield { wanted, read: () => readChunk(fd, at, wanted) }
    }
  }
  yield* readsOfHole(sizeBytes - end)
}

function* readsOfHole(sizeBytes: number): Generator<Read, void, undefined> {
  for (const chunk of zeros(sizeBytes)) yield { wanted: chunk.length, read: async () => chunk }
}
