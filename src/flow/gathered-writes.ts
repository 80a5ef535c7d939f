import type { FileHandle } from 'node:fs/promises'
import { CHUNK_BYTES } from '../constants.js'
import type { Source } from '../types.js'
import { Cursor } from './cursor.js'

/**
 * Writes all bytes of a source at the end of a file. While one write is under way the next chunks are pulled, and written
 * together: a source of small chunks costs few writes, and no copy. A write that fails does not wait for the source.
 * Memory: `CHUNK_BYTES` and a chunk that wait, and as much that is being written.
 *
 * @throws the system's error; whatever the source throws. No write is under way then.
 */
export async function writeAll(file: FileHandle, source: Source<Uint8Array>): Promise<void> {
  const cursor = new Cursor(source)
  const writes = new GatheredWrites(file, error => cursor.break(error))
  try {
    for (let next = await cursor.next(); !next.done; next = await cursor.next()) await writes.add(next.value)
    await writes.end()
  } finally {
    await writes.settled()
    await cursor.close()
  }
}

/** Chunks on their way into a file, in their order, at its end. */
export class GatheredWrites {
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #writing: Promise<void> | undefined
  #makeRoom: (() => void) | undefined
  #failure: { readonly error: unknown } | undefined

  /** `onError`: told at once of a write that fails. */
  constructor(
    readonly file: FileHandle,
    readonly onError?: (error: unknown) => void
  ) {}

  /** Takes a chunk, which nobody changes any more. Resolves when more may come. @throws what a write failed with */
  async add(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
    this.#writing ??= this.#write()
    if (this.#waitingBytes >= CHUNK_BYTES) {
      await new Promise<void>(resolve => {
        this.#makeRoom = resolve
      })
    }
    this.#check()
  }

  /** Resolves when all is written. @throws what a write failed with */
  async end(): Promise<void> {
    await this.#writing
    this.#check()
  }

  /** Resolves when no write is under way, be it that one has failed. */
  async settled(): Promise<void> {
    await this.#writing
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && this.#failure === undefined) {
        const chunks = this.#waiting
        this.#waiting = []
        this.#waitingBytes = 0
        this.#makeRoom?.()
        await writeChunks(this.file, chunks)
      }
    } catch (error) {
      this.#failure = { error }
      this.#makeRoom?.()
      this.onError?.(error)
    }
    this.#writing = undefined
  }
}

/** Writes chunks at the end of a file. @throws the system's error */
export async function writeChunks(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  let left = chunks
  while (left.length > 0) {
    const { bytesWritten } = left.length === 1 ? await file.write(left[0]!) : await file.writev([...left])
    left = after(left, bytesWritten)
  }
}

/** What follows the first bytes of chunks. */
function after(chunks: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let count = written
  for (const [i, chunk] of chunks.entries()) {
    if (count < chunk.length) return [chunk.subarray(count), ...chunks.slice(i + 1)]
    count -= chunk.length
  }
  return []
}
