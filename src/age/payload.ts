import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { corrupt, truncated } from '../codec/limits.js'
import type { BackupError } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { freeAll } from '../flow/free-memory.js'
import type { ByteReader } from '../format/byte-reader.js'
import type { OpenedRange, ReadRange, Source } from '../types.js'

/** Bytes of one chunk before encryption. Source: age-encryption.org/v1, "Payload". */
const CHUNK_BYTES = 64 * 1024
const TAG_BYTES = 16
const STORED_BYTES = CHUNK_BYTES + TAG_BYTES
/** Chunks that are encrypted or decrypted to one piece of memory: 1 MiB. */
const CHUNKS_AT_ONCE = 16
export const ALGORITHM = 'chacha20-poly1305'

/** The key of a payload. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
}

/**
 * Encrypts a payload in the STREAM construction: chunks of 64 KiB, each with its number, the last one marked.
 * Memory: one chunk of the source, and 1 MiB.
 */
export async function* sealPayload(
  key: Uint8Array,
  source: Source<Uint8Array>
): AsyncGenerator<Uint8Array, void, undefined> {
  const breather = createBreather()
  const waiting = new Waiting()
  let counter = 0
  for await (const bytes of source) {
    waiting.add(bytes)
    // What may be the last chunk waits: an empty one cannot follow it.
    for (let chunks = waiting.wholeChunks; chunks > 0; ) {
      const count = Math.min(chunks, CHUNKS_AT_ONCE)
      const plain = Array.from({ length: count }, () => waiting.take(CHUNK_BYTES))
      yield sealChunks(key, { counter, isLast: false }, plain)
      counter += count
      chunks -= count
      if (breather.due()) await breather.pause()
    }
  }
  yield sealChunks(key, { counter, isLast: true }, [waiting.take(waiting.sizeBytes)])
}

/**
 * Decrypts a payload from its first byte to its last; each chunk is proven before it is given out.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED, IBT_ARCHIVE_CORRUPT
 */
export async function* openPayload(
  key: Uint8Array,
  reader: ByteReader,
  name: string
): AsyncGenerator<Uint8Array, void, undefined> {
  const breather = createBreather()
  for (let counter = 0, isAtEnd = false; !isAtEnd; ) {
    const stored = await reader.take(CHUNKS_AT_ONCE * STORED_BYTES)
    isAtEnd = await reader.isAtEnd()
    const chunks = chunksOf(stored.length)
    const plain = Buffer.allocUnsafeSlow(stored.length)
    openChunks(key, { counter, count: chunks, isLast: isAtEnd }, stored, name, plain)
    counter += chunks
    const sizeBytes = stored.length - chunks * TAG_BYTES
    if (sizeBytes > 0) yield plain.subarray(0, sizeBytes)
    if (breather.due()) await breather.pause()
  }
}

/**
 * Opens a payload for reading at any place, in `storedBytes` from `start` on. Its last chunk is read at once: that it is
 * marked as the last one proves the length. Memory: the chunk that was read last.
 *
 * @throws as `openPayload`
 */
export async function openPayloadRange(
  key: Uint8Array,
  { read, start, storedBytes, name }: PayloadPlace
): Promise<OpenedRange> {
  const chunks = chunksOf(storedBytes)
  const sizeBytes = payloadSize(storedBytes, name)
  let kept = { index: chunks - 1, bytes: await openOne(chunks - 1) }
  return { sizeBytes, read: readPlain }

  async function openOne(index: number): Promise<Uint8Array> {
    const stored = await storedChunks(index, index + 1)
    const plain = Buffer.allocUnsafeSlow(Math.max(0, stored.length - TAG_BYTES))
    openChunks(key, { counter: index, count: 1, isLast: index === chunks - 1 }, stored, name, plain)
    return plain
  }

  function storedChunks(from: number, to: number): Promise<Uint8Array> {
    return read(start + from * STORED_BYTES, start + Math.min(to * STORED_BYTES, storedBytes))
  }

  async function readPlain(from: number, to: number): Promise<Uint8Array> {
    if (from >= to) return new Uint8Array(0)
    const first = Math.floor(from / CHUNK_BYTES)
    const last = Math.floor((to - 1) / CHUNK_BYTES)
    const { index, bytes } = kept
    if (first === last && index === first) return bytes.subarray(from - first * CHUNK_BYTES, to - first * CHUNK_BYTES)
    // Who reads on finds the beginning in the chunk that was read last.
    const skipped = index === first ? 1 : 0
    const stored = await storedChunks(first + skipped, last + 1)
    const plain = Buffer.allocUnsafeSlow(Math.min(sizeBytes, (last + 1) * CHUNK_BYTES) - first * CHUNK_BYTES)
    if (skipped > 0) plain.set(bytes, 0)
    const place = { counter: first + skipped, count: last - first + 1 - skipped, isLast: last === chunks - 1 }
    openChunks(key, place, stored, name, plain.subarray(skipped * CHUNK_BYTES))
    kept = { index: last, bytes: Buffer.from(plain.subarray((last - first) * CHUNK_BYTES)) }
    return plain.subarray(from - first * CHUNK_BYTES, to - first * CHUNK_BYTES)
  }
}

/** Where a payload is in a stored artifact. */
export interface PayloadPlace {
  readonly read: ReadRange
  readonly start: number
  readonly storedBytes: number
  readonly name: string
}

/** Bytes of what a payload of so many stored ones holds. @throws BackupError IBT_ARCHIVE_TRUNCATED, IBT_ARCHIVE_CORRUPT */
export function payloadSize(storedBytes: number, name: string): number {
  const chunks = chunksOf(storedBytes)
  const last = storedBytes - (chunks - 1) * STORED_BYTES
  if (last < TAG_BYTES)
    throw truncated(name, `its last chunk has ${Math.max(0, last)} bytes, fewer than a chunk can have`)
  if (last === TAG_BYTES && chunks > 1) throw emptyLast(name)
  return storedBytes - chunks * TAG_BYTES
}

/** There is always one, be it empty. */
function chunksOf(storedBytes: number): number {
  return Math.max(1, Math.ceil(storedBytes / STORED_BYTES))
}

/** Where chunks are in a payload. */
interface ChunkPlace {
  /** The number of the first of them. */
  readonly counter: number
  /** Whether the payload ends with them. */
  readonly isLast: boolean
}

/** Encrypts consecutive chunks to one piece of memory. */
function sealChunks(key: Uint8Array, { counter, isLast }: ChunkPlace, plain: readonly Uint8Array[]): Uint8Array {
  const stored = Buffer.allocUnsafeSlow(plain.reduce((sum, { length }) => sum + length + TAG_BYTES, 0))
  const copied: Uint8Array[] = []
  let at = 0
  for (const [i, chunk] of plain.entries()) {
    const nonce = nonceOf({ counter: counter + i, isLast: isLast && i === plain.length - 1 })
    const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
    copied.push(cipher.update(chunk))
    stored.set(copied[i]!, at)
    cipher.final()
    stored.set(cipher.getAuthTag(), at + chunk.length)
    at += chunk.length + TAG_BYTES
  }
  freeAll(copied)
  return stored
}

/** Decrypts so many consecutive chunks. */
function openChunks(
  key: Uint8Array,
  { counter, count, isLast }: ChunkPlace & { readonly count: number },
  stored: Uint8Array,
  name: string,
  into: Uint8Array
): void {
  const copied: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const place = { counter: counter + i, isLast: isLast && i === count - 1 }
    copied.push(openChunk(key, place, stored.subarray(i * STORED_BYTES, (i + 1) * STORED_BYTES), name))
    into.set(copied[i]!, i * CHUNK_BYTES)
  }
  freeAll(copied)
}

function openChunk(key: Uint8Array, place: ChunkPlace, stored: Uint8Array, name: string): Uint8Array {
  const { counter, isLast } = place
  if (stored.length < TAG_BYTES)
    throw truncated(name, `chunk ${counter} of what is encrypted has ${stored.length} bytes`)
  if (stored.length === TAG_BYTES && counter > 0) throw emptyLast(name)
  const plain = decrypt(key, place, stored)
  if (plain === undefined) throw whyNot(key, counter, isLast, stored, name)
  return plain
}

/** Undefined if it is not what was encrypted at this place with this key. */
function decrypt(key: Uint8Array, place: ChunkPlace, stored: Uint8Array): Uint8Array | undefined {
  const decipher = createDecipheriv(ALGORITHM, key, nonceOf(place), { authTagLength: TAG_BYTES })
  decipher.setAuthTag(stored.subarray(stored.length - TAG_BYTES))
  const plain = decipher.update(stored.subarray(0, stored.length - TAG_BYTES))
  try {
    decipher.final()
    return plain
  } catch {
    return undefined
  }
}

/** A chunk that would open with the other mark is whole: the file is cut off, or goes on behind its end. */
function whyNot(key: Uint8Array, counter: number, isLast: boolean, stored: Uint8Array, name: string): BackupError {
  if (decrypt(key, { counter, isLast: !isLast }, stored) === undefined) {
    const end = isLast ? ', or the file is cut off in it' : ''
    return corrupt(name, `chunk ${counter} of what is encrypted is damaged or stands in another place${end}`)
  }
  if (isLast) return truncated(name, `it ends with chunk ${counter}, which is not the last that was encrypted`)
  return corrupt(name, `bytes stand behind chunk ${counter}, the last that was encrypted`)
}

function emptyLast(name: string): BackupError {
  return corrupt(name, 'its last chunk is empty, which no writer makes')
}

/** Eleven bytes of counter, and one that says whether the chunk is the last. */
function nonceOf({ counter, isLast }: ChunkPlace): Uint8Array {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(counter, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

/** Bytes that wait for their chunk. */
class Waiting {
  #parts: Uint8Array[] = []
  sizeBytes = 0

  add(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`Bytes are encrypted, not ${typeof bytes}`)
    if (bytes.length === 0) return
    this.#parts.push(bytes)
    this.sizeBytes += bytes.length
  }

  /** Chunks behind which something follows. */
  get wholeChunks(): number {
    return Math.max(0, Math.ceil(this.sizeBytes / CHUNK_BYTES) - 1)
  }

  take(length: number): Uint8Array {
    this.sizeBytes -= length
    const taken: Uint8Array[] = []
    let used = 0
    for (let left = length; left > 0; ) {
      const part = this.#parts[used]!
      taken.push(part.subarray(0, left))
      left -= Math.min(left, part.length)
      if (taken.at(-1)!.length === part.length) used++
      else this.#parts[used] = part.subarray(taken.at(-1)!.length)
    }
    this.#parts.splice(0, used)
    return taken.length === 1 ? taken[0]! : Buffer.concat(taken)
  }
}
