import { randomBytes } from 'node:crypto'
import { open, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BackupError } from '../errors.js'
import { encodePath, printPath } from '../path.js'
import { syncDescriptor } from './sync.js'

/**
 * Has a file written under a temporary name beside its own; it gets its own when it is whole, and replaces what is there
 * when it is on disk, too, and takes its mode: a crash costs at most what was written, as with `rdiff` or `cp`. `use`
 * writes into the descriptor.
 * @throws BackupError IBT_WRITE_FAILED; what `use` throws, and then there is no file.
 */
export async function writeWhole<T>(path: string, use: (fd: number) => Promise<T>): Promise<T> {
  // Without the file's own name, which may be as long as a name can be.
  const temporary = encodePath(join(dirname(path), `.ibt-${randomBytes(8).toString('hex')}.tmp`))
  const target = encodePath(path)
  const writeFailed = (cause: unknown) => {
    throw new BackupError('IBT_WRITE_FAILED', `Cannot write ${printPath(path)}`, { path, cause })
  }
  const replaced = await stat(target).catch(() => undefined)
  const file = await open(temporary, 'wx', replaced === undefined ? undefined : 0o600).catch(writeFailed)
  try {
    let result: T
    try {
      if (replaced !== undefined) await file.chmod(replaced.mode & 0o777).catch(writeFailed)
      result = await use(file.fd)
      if (replaced !== undefined) await syncDescriptor(file.fd).catch(writeFailed)
    } finally {
      await file.close().catch(writeFailed)
    }
    await rename(temporary, target).catch(writeFailed)
    return result
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
}
