import { CHUNK_BYTES } from '../constants.js'
import { toBatch, toBatchSource } from '../flow/batches.js'
import type { Lease, Pool } from '../flow/memory.js'
import { zeros } from '../format/sparse-map.js'
import type { Batched, BatchSource, Extent } from '../types.js'
import { readChunk, readInto } from './disk.js'

/**
 * The chunks of an open file; the next one is being read while one is used. One that is short is the last. A chunk is a
 * batch by itself, with its lease.
 */
export function readAhead(reads: Iterator<Read>): BatchSource<Uint8Array> {
  return toBatchSource(() => chunksAhead(reads))
}

async function* chunksAhead(reads: Iterator<Read>): AsyncGenerator<Batched<Uint8Array>, void, undefined> {
  let next = start(reads)
  while (next !== undefined) {
    const { wanted } = next
    const { bytes, lease } = await next.chunk
    next = bytes.length < wanted ? undefined : start(reads)
    try {
      if (bytes.length > 0) yield lease === undefined ? bytes : toBatch([bytes], lease)
    } finally {
      // The descriptor is closed after this: no read may be under way then.
      await next?.chunk.catch(() => {})
    }
  }
}

/** One chunk to be read. */
export interface Read {
  readonly wanted: number
  readonly read: () => Promise<ReadBytes>
}

interface ReadBytes {
  readonly bytes: Uint8Array
  readonly lease?: Lease
}

function start(reads: Iterator<Read>): { readonly wanted: number; readonly chunk: Promise<ReadBytes> } | undefined {
  const { value, done } = reads.next()
  if (done) return undefined
  const chunk = value.read()
  chunk.catch(() => {})
  return { wanted: value.wanted, chunk }
}

/** A whole file, to its end, wherever that is by then. */
export function* readsToEnd(fd: number, pool: Pool): Generator<Read, void, undefined> {
  for (let at = 0; ; at += CHUNK_BYTES) yield { wanted: CHUNK_BYTES, read: () => readLeased(fd, at, pool) }
}

async function readLeased(fd: number, at: number, pool: Pool): Promise<ReadBytes> {
  const lease = pool.lease(CHUNK_BYTES)
  return { bytes: await readInto(fd, at, lease.bytes.subarray(0, CHUNK_BYTES)), lease }
}

/** The extents of a sparse file; what lies between them is not read. */
export function* readsOf(fd: number, extents: readonly Extent[], sizeBytes: number): Generator<Read, void, undefined> {
  let end = 0
  for (const { offset, sizeBytes: length } of extents) {
    yield* readsOfHole(offset - end)
    end = offset + length
    for (let at = offset; at < end; at += CHUNK_BYTES) {
      const wanted = Math.min(CHUNK_BYTES, end - at)
      yield { wanted, read: async () => ({ bytes: await readChunk(fd, at, wanted) }) }
    }
  }
  yield* readsOfHole(sizeBytes - end)
}

function* readsOfHole(sizeBytes: number): Generator<Read, void, undefined> {
  for (const chunk of zeros(sizeBytes)) yield { wanted: chunk.length, read: async () => ({ bytes: chunk }) }
}
