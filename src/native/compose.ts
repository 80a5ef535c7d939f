import { type FileHandle, open } from 'node:fs/promises'
import { BackupError } from '../errors.js'
import { encodePath, printPath } from '../path.js'
import { addon } from './addon.js'
import { runJob } from './job.js'
import type { JobStats } from './rdiff-files.js'
import { writeWhole } from './whole-file.js'

/**
 * Composes deltas that follow each other: from A to B, from B to C, and so on, become the one from A to the last, without
 * any of the contents. Copies of copies are resolved, literals that are left are carried over, neighbours are joined.
 *
 * The deltas are files that can be read at any position; each is open until the end. `out` is a descriptor, or a path
 * that appears when the delta is whole; what is there is replaced when the delta is on disk, too.
 * Memory: 24 bytes a command of all lists that are in memory at once, of deltas and of what they make, which together
 * may have 2^24, that is 384 MiB; and 512 KiB for each of up to two threads.
 * @throws TypeError if there is no delta.
 * @throws BackupError with the delta's path: IBT_READ_FAILED, IBT_BAD_MAGIC, IBT_INPUT_ENDED, IBT_DELTA_CORRUPT (also if
 * it copies what the delta before it does not make, or there are too many commands); IBT_WRITE_FAILED
 */
export async function composeDeltas(
  deltas: readonly string[],
  out: number | string,
  signal?: AbortSignal
): Promise<JobStats> {
  if (deltas.length === 0) throw new TypeError('No delta to compose')
  signal?.throwIfAborted()
  if (typeof out === 'string') return writeWhole(out, fd => composeDeltas(deltas, fd, signal))
  const files: FileHandle[] = []
  try {
    for (const path of deltas) {
      const file = await open(encodePath(path)).catch(cause => {
        throw new BackupError('IBT_READ_FAILED', `Cannot open ${printPath(path)}`, { path, cause })
      })
      files.push(file)
    }
    const fds = Int32Array.from(files, file => file.fd)
    return await runJob({ action: 'compose', paths: deltas }, signal, token => addon().composeFiles(fds, out, token))
  } finally {
    for (const file of files) await file.close()
  }
}

/**
 * Composes deltas in memory, as `composeDeltas`, in one job. They must not change until the promise settles.
 * @throws TypeError if there is no delta, or one is not a Uint8Array.
 * @throws BackupError IBT_BAD_MAGIC, IBT_INPUT_ENDED, IBT_DELTA_CORRUPT: also if the result would exceed `maxBytes`.
 */
export async function composeBytes(
  deltas: readonly Uint8Array[],
  maxBytes: number,
  signal?: AbortSignal
): Promise<Buffer> {
  if (deltas.length === 0) throw new TypeError('No delta to compose')
  return runJob({ action: 'compose' }, signal, token => addon().composeBytes(deltas, maxBytes, token))
}
