import type { FileHandle } from 'node:fs/promises'
import { PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { unnamedFile } from '../flow/unnamed-file.js'
import { decodePath, printPath } from '../path.js'

/** One version of a content, to which a delta is applied: in memory up to `PART_BYTES`, else in an unnamed file. */
export class Version {
  #chunks: Uint8Array[] = []
  #bytes = 0
  #file: FileHandle | undefined

  constructor(readonly directory: string | Uint8Array) {}

  /** @throws BackupError IBT_WRITE_FAILED */
  async append(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes <= PART_BYTES) return
    try {
      this.#file ??= await unnamedFile(this.directory)
      for (const waiting of this.#chunks) await this.#file.appendFile(waiting)
    } catch (cause) {
      const path = typeof this.directory === 'string' ? this.directory : decodePath(this.directory)
      throw new BackupError('IBT_WRITE_FAILED', `Cannot spool to ${printPath(path)}`, { path, cause })
    }
    this.#chunks = []
  }

  /** The basis for a patcher: a descriptor, or the bytes. */
  readable(): number | Uint8Array {
    return this.#file?.fd ?? Buffer.concat(this.#chunks)
  }

  async close(): Promise<void> {
    this.#chunks = []
    await this.#file?.close()
    this.#file = undefined
  }
}
