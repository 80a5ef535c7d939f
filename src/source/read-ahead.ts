import { CHUNK_BYTES } from '../constants.js'
import type { Memory } from '../flow/memory.js'
import { zeros } from '../format/sparse-map.js'
import type { Extent } from '../types.js'
import { readChunk, readInto } from './disk.js'

/** The chunks of an open file; the next one is being read while one is used. One that is short is the last. */
export async function* readAhead(reads: Iterator<Read>): AsyncGenerator<Uint8Array, void, undefined> {
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

/** One chunk to be read. */
export interface Read {
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

/** A whole file, to its end, wherever that is by then. */
export function* readsToEnd(fd: number, memory: Memory | undefined): Generator<Read, void, undefined> {
  for (let at = 0; ; at += CHUNK_BYTES) yield { wanted: CHUNK_BYTES, read: () => readLent(fd, at, memory) }
}

async function readLent(fd: number, at: number, memory: Memory | undefined): Promise<Uint8Array> {
  if (memory === undefined) return readChunk(fd, at)
  const buffer = memory.take(CHUNK_BYTES)
  memory.lend(buffer, 1)
  return readInto(fd, at, buffer.subarray(0, CHUNK_BYTES))
}

/** The extents of a sparse file; what lies between them is not read. */
export function* readsOf(fd: number, extents: readonly Extent[], sizeBytes: number): Generator<Read, void, undefined> {
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
