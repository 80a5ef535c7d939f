import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import type { Entry, StateEntry } from '../types.js'

/** Whether the content of an entry was erased from all backups: that it is not restored is what somebody wanted. */
export function wasErased(entry: Entry): boolean {
  return (entry as Partial<StateEntry>).erased !== undefined
}

/** Whether an entry has nothing to restore: the process that listens on a socket makes it anew. */
export function isPassedOver({ type }: Entry): boolean {
  return type === 'socket'
}

/** Why an entry of a backup cannot be restored anywhere; undefined if it can. */
export function whyNotRestored({ path, type }: Entry): BackupError | undefined {
  if (type !== 'unreadable') return undefined
  return new BackupError('IBT_READ_FAILED', `${printPath(path)} was unreadable and is not in this backup`, { path })
}
