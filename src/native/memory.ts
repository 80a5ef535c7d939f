import { addon } from './addon.js'
import { callNative } from './job.js'

/**
 * A buffer that jobs use where it is; what other buffers hold is copied for a job. What is in it is not zeroed.
 * Node does not transfer it to another thread; a copy of it can be.
 * @throws RangeError for more than 2^32 - 1 bytes.
 * @throws BackupError IBT_NATIVE if there is no memory.
 */
export function allocateBytes(sizeBytes: number): Buffer {
  return callNative({ action: 'allocate memory' }, () => addon().allocate(sizeBytes))
}
