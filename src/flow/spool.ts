import type { FileHandle } from 'node:fs/promises'
import { CHUNK_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { decodePath, printPath } from '../path.js'
import type { Source } from '../types.js'
import { writeChunks } from './gathered-writes.js'
import { ownMemory } from './memory.js'
import { unnamedFile } from './unnamed-file.js'

/** Bytes of a spool: from an offset on, so many. */
export interface SpooledRange {
  readonly offset: number
  readonly sizeBytes: number
}

/**
 * Bytes that wait on disk, in a file without a name: no crash leaves it behind. It is made at the first byte.
 * What was written can be read any number of times until `close`. Memory: one chunk that is gathered, one a reader.
 */
export class Spool {
  #file: FileHandle | undefined
  #sizeBytes = 0
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #flushed = Promise.resolve()

  constructor(readonly directory: string | Uint8Array) {}

  /** Bytes that were appended. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Takes a chunk, which nobody changes any more. @throws BackupError IBT_WRITE_FAILED */
  async append(chunk: Uint8Array): Promise<void> {
    this.#gathered.push(ownMemory(chunk))
    this.#gatheredBytes += chunk.length
    this.#sizeBytes += chunk.length
    if (this.#gatheredBytes >= CHUNK_BYTES) await this.#flush()
  }

  /** Appends all bytes of a source. @throws BackupError IBT_WRITE_FAILED; whatever the source throws */
  async appendAll(source: Source<Uint8Array>): Promise<SpooledRange> {
    const offset = this.sizeBytes
    for await (const chunk of source) await this.append(chunk)
    return { offset, sizeBytes: this.sizeBytes - offset }
  }

  /** A descriptor of all that was appended, open until `close`. @throws BackupError IBT_WRITE_FAILED */
  async descriptor(): Promise<number> {
    await this.#flush()
    return (await this.#opened()).fd
  }

  /** @throws BackupError IBT_READ_FAILED, also when the spool was closed */
  async *read({ offset, sizeBytes }: SpooledRange): AsyncGenerator<Uint8Array, void, undefined> {
    if (sizeBytes === 0) return
    await this.#flush()
    for (let at = 0; at < sizeBytes; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, sizeBytes - at))
      const filled = await this.#readInto(chunk, offset + at)
      if (filled === 0) throw this.#error('IBT_READ_FAILED', 'Cannot read what was spooled to')
      yield chunk.subarray(0, filled)
      at += filled
    }
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#gathered = []
    this.#file = undefined
    await file?.close()
  }

  async #readInto(chunk: Uint8Array, position: number): Promise<number> {
    if (this.#file === undefined) throw this.#error('IBT_READ_FAILED', 'The source has ended that spooled to')
    try {
      return (await this.#file.read(chunk, 0, chunk.length, position)).bytesRead
    } catch (cause) {
      throw this.#error('IBT_READ_FAILED', 'Cannot read what was spooled to', cause)
    }
  }

  /** Readers may ask for it at the same time. */
  #flush(): Promise<void> {
    this.#flushed = this.#flushed.then(() => this.#write())
    return this.#flushed
  }

  async #write(): Promise<void> {
    if (this.#gatheredBytes === 0) return
    const chunks = this.#gathered
    this.#gathered = []
    this.#gatheredBytes = 0
    const file = await this.#opened()
    try {
      await writeChunks(file, chunks)
    } catch (cause) {
      throw this.#error('IBT_WRITE_FAILED', 'Cannot spool to', cause)
    }
  }

  async #opened(): Promise<FileHandle> {
    try {
      this.#file ??= await unnamedFile(this.directory)
      return this.#file
    } catch (cause) {
      throw this.#error('IBT_WRITE_FAILED', 'Cannot spool to', cause)
    }
  }

  #error(code: 'IBT_READ_FAILED' | 'IBT_WRITE_FAILED', what: string, cause?: unknown): BackupError {
    const path = typeof this.directory === 'string' ? this.directory : decodePath(this.directory)
    return new BackupError(code, `${what} ${printPath(path)}`, { path, cause })
  }
}
