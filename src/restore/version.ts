import { randomBytes } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'

/** One version of a content, to which a delta is applied: in memory up to `PART_BYTES`, else in an unnamed file. */
export class Version {
  #chunks: Uint8Array[] = []
  #bytes = 0
  #file: FileHandle | undefined

  constructor(readonly directory: string) {}

  /** @throws BackupError IBT_WRITE_FAILED */
  async append(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes <= PART_BYTES) return
    try {
      this.#file ??= await unnamedFile(this.directory)
      for (const waiting of this.#chunks) await this.#file.appendFile(waiting)
    } catch (cause) {
      throw new BackupError('IBT_WRITE_FAILED', `Cannot spool to ${this.directory}`, { path: this.directory, cause })
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

/** A file that no crash leaves behind: its name is gone before it is used. */
async function unnamedFile(directory: string): Promise<FileHandle> {
  const path = join(directory, `.ibt-spool-${randomBytes(8).toString('hex')}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}
