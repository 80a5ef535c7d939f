import { type FileHandle, link, open, unlink } from 'node:fs/promises'
import { writeAll } from '../flow/gathered-writes.js'
import { syncDescriptor } from '../native/sync.js'

/** What a file system without hard links answers; or somebody has cleaned the temporary file away. */
const NO_LINKS: readonly unknown[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOENT']

/** Gives a whole file its name if that is free. */
export async function publishNew(temporary: string, path: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    if (NO_LINKS.includes((error as NodeJS.ErrnoException).code)) return createExclusively(path, bytes)
    throw error
  }
}

/** Where there are no hard links: only one can create the file, but for a moment it is empty. */
async function createExclusively(path: string, bytes: Uint8Array): Promise<boolean> {
  let file: FileHandle
  try {
    file = await open(path, 'wx', 0o600)
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
  try {
    await writeAll(file, [bytes])
    await syncDescriptor(file.fd)
    return true
  } catch (error) {
    await unlink(path).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}

/** Writes the names of a directory to the disk. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await syncDescriptor(directory.fd)
  } finally {
    await directory.close()
  }
}

export async function unlinkIfThere(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false
    throw error
  }
}

export function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code
}

export function raise(error: unknown): never {
  throw error
}
