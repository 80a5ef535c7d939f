import { randomBytes } from 'node:crypto'
import { constants, type FileHandle, open, unlink } from 'node:fs/promises'
import { PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { decodePath, encodePath, printPath } from '../path.js'

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

/** Linux's flag for a file that never has a name; not in Node's constants. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY

/** A file that neither a crash nor an abort leaves behind. */
async function unnamedFile(directory: string | Uint8Array): Promise<FileHandle> {
  const bytes = typeof directory === 'string' ? encodePath(directory) : Buffer.from(directory)
  if (process.platform === 'linux') {
    // Not every file system has such files, and network file systems say so in several ways.
    const file = await open(bytes, O_TMPFILE | constants.O_RDWR, 0o600).catch(() => undefined)
    if (file !== undefined) return file
  }
  const path = Buffer.concat([bytes, Buffer.from(`/.ibt-spool-${randomBytes(8).toString('hex')}`)])
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}
