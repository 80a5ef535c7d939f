import { randomBytes } from 'node:crypto'
import { constants, type FileHandle, open, unlink } from 'node:fs/promises'
import { encodePath } from '../path.js'

/** Linux's flag for a file that never has a name; not in Node's constants. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY

/** A file that neither a crash nor an abort leaves behind. */
export async function unnamedFile(directory: string | Uint8Array): Promise<FileHandle> {
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
