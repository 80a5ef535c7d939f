import type { Extent } from '../types.js'
import { addon } from './addon.js'
import { runJob } from './job.js'

/**
 * Where an open file of `sizeBytes` holds data, in order; all else reads as zeros. What the file system does not tell is
 * data, and so is all behind the `max`th extent. The descriptor keeps its position.
 * Memory: 16 bytes an extent in the addon.
 * @throws BackupError IBT_READ_FAILED
 */
export async function dataExtents(
  fd: number,
  sizeBytes: number,
  max: number,
  signal?: AbortSignal
): Promise<readonly Extent[]> {
  const subject = { action: 'find the holes of an open file' }
  const pairs = await runJob(subject, signal, token => addon().dataExtents(fd, sizeBytes, max, token))
  return Array.from({ length: pairs.length / 2 }, (_, i) => ({ offset: pairs[2 * i]!, sizeBytes: pairs[2 * i + 1]! }))
}
