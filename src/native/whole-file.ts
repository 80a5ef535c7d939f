import { lstat, open, opendir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BackupError } from '../errors.js'
import { encodePath, printPath } from '../path.js'
import { syncDescriptor } from './sync.js'
import { isLeftBehind, isPartialOf, isTemporaryName, temporaryName } from './temporary-name.js'

/**
 * Has a file written under a temporary name beside its own; it gets its own when it is whole, and replaces what is there
 * when it is on disk, too, and takes its mode: a crash costs at most what was written, as with `rdiff` or `cp`. What a
 * killed one has left of the same file is removed. `use` writes into the descriptor.
 * @throws BackupError IBT_WRITE_FAILED; what `use` throws, and then there is no file.
 */
export async function writeWhole<T>(path: string, use: (fd: number) => Promise<T>): Promise<T> {
  const temporary = encodePath(join(dirname(path), await temporaryName(basename(path))))
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
    await removeLeftBehind(path).catch(() => {})
    return result
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
}

/** Only of this file: a killed `receive --into` goes on with what it has left of others. */
async function removeLeftBehind(path: string): Promise<void> {
  const directory = dirname(path)
  for await (const { name } of await opendir(encodePath(directory))) {
    if (!isTemporaryName(name) || !isPartialOf(basename(path), name)) continue
    const left = encodePath(join(directory, name))
    const { mtimeNs } = await lstat(left, { bigint: true })
    if (await isLeftBehind({ path: name, mtimeNs })) await unlink(left)
  }
}
