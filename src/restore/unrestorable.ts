import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import type { Entry } from '../types.js'

/** Why an entry of a backup cannot be restored anywhere; undefined if it can. */
export function whyNotRestored({ path, type }: Entry): BackupError | undefined {
  if (type === 'unreadable') {
    const message = `${printPath(path)} was unreadable and is not in this backup`
    return new BackupError('IBT_READ_FAILED', message, { path })
  }
  if (type !== 'socket') return undefined
  return new BackupError('IBT_UNSUPPORTED_TYPE', `${printPath(path)} is a socket, which is not restored`, { path })
}
