import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BackupError } from '../errors.js'
import { printPath } from '../path.js'

/**
 * Has a file written under a temporary name beside its own; it gets its own when it is whole, and replaces what is there
 * when it is on disk, too: a crash costs at most what was written, as with `rdiff` or `cp`. `use` writes into the descriptor.
 * @throws BackupError IBT_WRITE_FAILED; what `use` throws, and then there is no file.
 */
export async function writeWhole<T>(path: string, use: (fd: number) => Promise<T>): Promise<T> {
  const temporary = join(dirname(path), `.${basename(path).slice(0, 200)}.${randomBytes(8).toString('hex')}.tmp`)
  const writeFailed = (cause: unknown) => {
    throw new BackupError('IBT_WRITE_FAILED', `Cannot write ${printPath(path)}`, { path, cause })
  }
  const file = await open(temporary, 'wx').catch(writeFailed)
  try {
    let result: T
    try {
      result = await use(file.fd)
      if (existsSync(path)) await file.sync().catch(writeFailed)
    } finally {
      await file.close().catch(writeFailed)
    }
    await rename(temporary, path).catch(writeFailed)
    return result
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
}
