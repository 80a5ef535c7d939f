import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import { isPacked, type Packed, type Piece } from '../types.js'
import type { BackupOptions } from './options.js'

/** Tells the caller's observers of every entry that passes. */
export function watcher({ onProgress, onError }: BackupOptions<object>): (item: Packed | Piece) => void {
  let entries = 0
  let files = 0
  let sizeBytes = 0
  let storedBytes = 0
  return item => {
    if (!isPacked(item)) return
    entries++
    if (item.type === 'file') {
      files++
      sizeBytes += item.sizeBytes ?? 0
    }
    storedBytes += item.storedBytes
    if (item.error !== undefined) onError?.(item.error)
    if (item.state?.dirty) onError?.(changedWhileRead(item.path))
    onProgress?.({ path: item.path, entries, files, sizeBytes, storedBytes })
  }
}

function changedWhileRead(path: string): BackupError {
  return new BackupError('IBT_FILE_CHANGED', `${printPath(path)} changed while it was read`, { path })
}
