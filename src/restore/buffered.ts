import { ownMemory } from '../flow/memory.js'
import { Spool } from '../flow/spool.js'
import { allocateBytes } from '../native.js'
import type { Source } from '../types.js'

/** Bytes that were read: in memory, or, if they are many, spooled. */
export type Buffered = Uint8Array | Spool

export interface BufferOptions {
  /** Bytes that stay in memory. */
  readonly maxBytes: number
  readonly spoolDirectory: string | Uint8Array
  readonly signal?: AbortSignal | undefined
}

/** Reads all bytes of a source. Memory: `maxBytes` up to three times. @throws BackupError IBT_WRITE_FAILED; what the source throws */
export async function buffer(
  source: Source<Uint8Array>,
  { maxBytes, spoolDirectory, signal }: BufferOptions
): Promise<Buffered> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  let spool: Spool | undefined
  try {
    for await (const chunk of source) {
      signal?.throwIfAborted()
      sizeBytes += chunk.length
      if (spool === undefined) chunks.push(ownMemory(chunk))
      else await spool.append(chunk)
      if (spool !== undefined || sizeBytes <= maxBytes) continue
      spool = new Spool(spoolDirectory)
      for (const waiting of chunks.splice(0)) await spool.append(waiting)
    }
    return spool ?? joined(chunks, sizeBytes)
  } catch (error) {
    await spool?.close()
    throw error
  }
}

/** Bytes, or a descriptor of them that is open until `closeBuffered`. @throws BackupError IBT_WRITE_FAILED */
export async function randomAccess(buffered: Buffered): Promise<number | Uint8Array> {
  return buffered instanceof Spool ? buffered.descriptor() : buffered
}

export async function closeBuffered(buffered: Buffered | undefined): Promise<void> {
  if (buffered instanceof Spool) await buffered.close()
}

/** Chunks may be parts of larger blocks, which would stay in memory. What is allocated like this, jobs do not copy. */
function joined(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const bytes = allocateBytes(sizeBytes)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
