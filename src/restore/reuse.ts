import { CHUNK_BYTES } from '../constants.js'
import { createScanner, loadSignature } from '../native.js'
import { readChunk, readFailed } from '../source/disk.js'
import type { Source } from '../types.js'
import { type Copied, CopyFinder } from './copies.js'
import type { SharedBlocks } from './shared-blocks.js'

/** An old version of a file that is open. */
export interface OldVersion {
  readonly fd: number
  readonly path: string
  readonly sizeBytes: number
}

/** What there is of old versions: what has the name of the file, then what an earlier run has left. */
export type OldVersions = readonly [OldVersion, ...OldVersion[]]

/** Bytes of a content: at a position of the old version, or in none. */
export interface Segment {
  readonly sizeBytes: number
  readonly oldAt: number | undefined
}

/** Below this share of a content, reading the old version costs more than it saves. */
const SHARE_MIN = 1 / 16
/** An old version that is so many times as long as the content is not read. */
const LONGER_MAX = 4

/**
 * Finds what an old version has of a content, by the signature of the content: a delta from the content to the old version
 * copies what both have. Undefined if that is not worth it. Memory: that of the signature, and 50 bytes a copy.
 *
 * @throws BackupError IBT_READ_FAILED, and what the engine says of a signature.
 */
export async function findReusable(
  signature: Uint8Array,
  sizeBytes: number,
  old: OldVersion,
  signal: AbortSignal | undefined
): Promise<Segment[] | undefined> {
  if (old.sizeBytes > sizeBytes * LONGER_MAX) return undefined
  const scanner = createScanner({ basis: await loadSignature(signature, signal) })
  const finder = new CopyFinder()
  const found: { readonly from: number; readonly end: number; readonly oldAt: number }[] = []
  const take = (delta: Uint8Array) => {
    for (const { at, position, sizeBytes } of finder.find(delta)) {
      found.push({ from: position, end: position + sizeBytes, oldAt: at })
    }
  }
  for (let at = 0; at < old.sizeBytes; at += CHUNK_BYTES) {
    const chunk = await readOld(old, at, Math.min(CHUNK_BYTES, old.sizeBytes - at))
    if (chunk.length === 0) break
    take(await scanner.update(chunk, signal))
  }
  take((await scanner.finish(signal)).delta)
  found.sort((a, b) => a.from - b.from)
  const segments: Segment[] = []
  let end = 0
  let reused = 0
  for (const copy of found) {
    const from = Math.max(copy.from, end)
    if (copy.end <= from || copy.end > sizeBytes) continue
    if (from > end) segments.push({ sizeBytes: from - end, oldAt: undefined })
    segments.push({ sizeBytes: copy.end - from, oldAt: copy.oldAt + from - copy.from })
    reused += copy.end - from
    end = copy.end
  }
  if (end < sizeBytes) segments.push({ sizeBytes: sizeBytes - end, oldAt: undefined })
  return reused < sizeBytes * SHARE_MIN ? undefined : segments
}

/** The ranges of the content that the old version does not have. */
export function missingRanges(segments: readonly Segment[]): Copied[] {
  const ranges: Copied[] = []
  let position = 0
  for (const { sizeBytes, oldAt } of segments) {
    if (oldAt === undefined) ranges.push({ position, sizeBytes })
    position += sizeBytes
  }
  return ranges
}

/**
 * The content: what the old version has is read from there, what it does not have comes out of `missing`, in order. With
 * `shared`, blocks of the old version become blocks of the new file where they can, and are then read from the new one:
 * so it is its own bytes that are proven, whatever becomes of the old version meanwhile.
 */
export async function* joinSegments(
  segments: readonly Segment[],
  old: OldVersion,
  missing: Source<Uint8Array>,
  shared?: SharedBlocks
): AsyncGenerator<Uint8Array, void, undefined> {
  const others = takeFrom(missing)
  let position = 0
  try {
    for (const { sizeBytes, oldAt } of segments) {
      const end = position + sizeBytes
      const chunks =
        oldAt === undefined ? others.take(sizeBytes) : readReused({ sizeBytes, oldAt }, { position, old, shared })
      for await (const chunk of chunks) {
        yield chunk
        position += chunk.length
      }
      // Too short: the digest says so.
      if (position < end) return
    }
  } finally {
    await others.close()
  }
}

/** Where a segment goes, and the old version that has it. */
export interface ReusedOptions {
  /** Of the content that is made. */
  readonly position: number
  readonly old: OldVersion
  readonly shared?: SharedBlocks | undefined
}

/** A segment of an old version, or as much of it as there is. What is shared is read from the new file. */
export async function* readReused(
  { sizeBytes, oldAt }: { readonly sizeBytes: number; readonly oldAt: number },
  { position, old, shared }: ReusedOptions
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = position
  for (const { end, read } of await stretchesOf({ sizeBytes, oldAt }, position, old, shared)) {
    while (at < end) {
      const chunk = await read(at, Math.min(end - at, CHUNK_BYTES))
      if (chunk.length === 0) return
      yield chunk
      at += chunk.length
    }
  }
}

/** A part of a content that is read from one place. */
interface Stretch {
  readonly end: number
  readonly read: (position: number, maxBytes: number) => Promise<Uint8Array>
}

/** A segment of the old version at a position of the content: in its middle may be blocks that are shared. */
async function stretchesOf(
  { sizeBytes, oldAt }: { readonly sizeBytes: number; readonly oldAt: number },
  position: number,
  old: OldVersion,
  shared: SharedBlocks | undefined
): Promise<Stretch[]> {
  const rest = {
    end: position + sizeBytes,
    read: (at: number, maxBytes: number) => readOld(old, at - position + oldAt, maxBytes)
  }
  if (shared === undefined) return [rest]
  const { start, end } = await shared.share({ fd: old.fd, at: oldAt }, position, sizeBytes)
  const own = { fd: shared.fd, path: old.path }
  return [{ ...rest, end: start }, { end, read: (at, maxBytes) => readOld(own, at, maxBytes) }, rest]
}

async function readOld(old: Pick<OldVersion, 'fd' | 'path'>, position: number, maxBytes: number): Promise<Uint8Array> {
  return readChunk(old.fd, position, maxBytes).catch(cause => {
    throw readFailed(old, cause)
  })
}

/** Takes as many bytes as are wanted, or fewer if there are no more. */
function takeFrom(source: Source<Uint8Array>) {
  const chunks = (async function* () {
    yield* source
  })()
  let rest: Uint8Array = new Uint8Array(0)
  return {
    async *take(sizeBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
      for (let left = sizeBytes; left > 0; ) {
        while (rest.length === 0) {
          const next = await chunks.next()
          if (next.done) return
          rest = next.value
        }
        const taken = rest.subarray(0, left)
        rest = rest.subarray(taken.length)
        left -= taken.length
        yield taken
      }
    },
    close: () => chunks.return()
  }
}
