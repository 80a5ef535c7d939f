import { fsync } from 'node:fs'
import { promisify } from 'node:util'

const sync = promisify(fsync)

/** What a file system answers that has no such call, for a directory or at all: FUSE, SMB, 9P and other mounts. */
const UNKNOWN: readonly unknown[] = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOTTY', 'ENOSYS']

/**
 * Writes what a descriptor stands for to the disk. A file system that does not know the call has not failed: it does so
 * by itself or not at all. By number, because some wrappers of file handles have no `sync`.
 *
 * @throws the system's error
 */
export async function syncDescriptor(fd: number): Promise<void> {
  try {
    await sync(fd)
  } catch (error) {
    if (!UNKNOWN.includes((error as NodeJS.ErrnoException).code)) throw error
  }
}
