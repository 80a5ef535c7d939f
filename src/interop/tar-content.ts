import { CHUNK_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import type { ByteReader } from '../format/byte-reader.js'
import { decodeSparseMap, EXTENTS_MAX, zeros } from '../format/sparse-map.js'
import { BLOCK_BYTES, padding } from '../format/tar.js'
import { printPath } from '../path.js'
import type { Content, Extent } from '../types.js'
import { type ForeignHeader, truncated } from './tar-headers.js'

const NEWLINE = 0x0a

/** A content that passes by in a tar: it is read while its entry is the current one, then `drain` reads what is left. */
export class SequentialContent implements Content {
  readonly #bytes: ByteReader
  readonly #found: ForeignHeader
  #left: number
  #pull: Promise<unknown> | undefined
  #isOpened = false
  #isPast = false

  constructor(bytes: ByteReader, found: ForeignHeader) {
    this.#bytes = bytes
    this.#found = found
    this.#left = found.bodyBytes
  }

  /** @throws BackupError IBT_READ_FAILED the second time, and when the tar has gone on. */
  open(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#isOpened) throw this.#error('was opened before')
    this.#isOpened = true
    return this.#read()
  }

  /** Reads past what is left of it, holes apart. */
  async drain(): Promise<void> {
    this.#isPast = true
    await this.#pull
    while ((await this.#next()) !== undefined);
    await passPadding(this.#bytes, this.#found)
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    const { sparseSizeBytes } = this.#found.header
    if (this.#isPast) throw this.#error('has passed by')
    const chunks = sparseSizeBytes === undefined ? this.#chunks() : this.#filled(sparseSizeBytes)
    for await (const chunk of chunks) {
      yield chunk
      if (this.#isPast) throw this.#error('has passed by')
    }
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = await this.#next()
      if (chunk === undefined) return
      yield chunk
    }
  }

  /** The content of a sparse file: its holes as zeros. */
  async *#filled(sizeBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
    let at = 0
    for (const { offset, sizeBytes: length } of this.#found.extents ?? (await this.#readMap(sizeBytes))) {
      yield* zeros(offset - at)
      for (let left = length; left > 0; ) {
        const chunk = await this.#next(left)
        if (chunk === undefined) throw this.#corrupt('has less data than its map says')
        left -= chunk.length
        yield chunk
      }
      at = offset + length
    }
    if (this.#left > 0) throw this.#corrupt('has more data than its map says')
    yield* zeros(sizeBytes - at)
  }

  /** The map at the beginning of a body of form 1.0: whole blocks of lines, the first of which says how many follow. */
  async #readMap(sizeBytes: number): Promise<readonly Extent[]> {
    const blocks: Uint8Array[] = []
    for (let lines = 0, wanted = 1; lines < wanted; ) {
      if (this.#left < BLOCK_BYTES) throw this.#corrupt('has a map that does not end')
      const block = await this.#bytes.take(BLOCK_BYTES)
      if (block.length < BLOCK_BYTES) throw truncated(this.#found.header.path)
      this.#left -= BLOCK_BYTES
      if (blocks.length === 0) wanted = 1 + 2 * countOf(block)
      for (const byte of block) if (byte === NEWLINE) lines++
      blocks.push(block)
    }
    try {
      return decodeSparseMap(Buffer.concat(blocks), sizeBytes)!.extents
    } catch (cause) {
      throw this.#corrupt('has an invalid map', cause)
    }
  }

  /** One pull at a time: `drain` waits for that of a reader. */
  #next(most = CHUNK_BYTES): Promise<Uint8Array | undefined> {
    const next = this.#take(Math.min(most, this.#left))
    this.#pull = next.catch(() => {})
    return next
  }

  async #take(most: number): Promise<Uint8Array | undefined> {
    if (most === 0) return undefined
    const chunk = await this.#bytes.some(most)
    if (chunk.length === 0) throw truncated(this.#found.header.path)
    this.#left -= chunk.length
    return chunk
  }

  #error(what: string): BackupError {
    const { path } = this.#found.header
    return new BackupError('IBT_READ_FAILED', `The content of ${printPath(path)} in a tar ${what}`, { path })
  }

  #corrupt(what: string, cause?: unknown): BackupError {
    const { path } = this.#found.header
    return new BackupError('IBT_ARCHIVE_CORRUPT', `The sparse file ${printPath(path)} in a tar ${what}`, {
      path,
      cause
    })
  }
}

/** The body of an entry as it stands in the tar: all of it is read before the next. */
export class RawBody {
  readonly #bytes: ByteReader
  readonly #found: ForeignHeader
  #left: number

  constructor(bytes: ByteReader, found: ForeignHeader) {
    this.#bytes = bytes
    this.#found = found
    this.#left = found.bodyBytes
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#left > 0) {
      const chunk = await this.#bytes.some(Math.min(CHUNK_BYTES, this.#left))
      if (chunk.length === 0) throw truncated(this.#found.header.path)
      this.#left -= chunk.length
      yield chunk
    }
  }

  /** Reads past what is left of it. */
  async drain(): Promise<void> {
    for await (const _ of this.chunks());
    await passPadding(this.#bytes, this.#found)
  }
}

async function passPadding(bytes: ByteReader, { bodyBytes, header }: ForeignHeader): Promise<void> {
  const fill = padding(bodyBytes)
  if ((await bytes.take(fill)).length < fill) throw truncated(header.path)
}

/** The number in the first line of a map, checked against what a map may have. */
function countOf(block: Uint8Array): number {
  const line = Buffer.from(block.subarray(0, Math.max(0, block.indexOf(NEWLINE)))).toString('latin1')
  return /^\d{1,16}$/.test(line) ? Math.min(Number(line), EXTENTS_MAX + 1) : 0
}
