import { decodePath } from '../path.js'
import { addon } from './addon.js'
import { type StatColumns, statColumns } from './columns.js'
import { runJob } from './job.js'

/** A file that is open, and what it was when it was opened. */
export interface OpenFile {
  /** For `node:fs`; the caller closes it by `closeDescriptor`. */
  readonly fd: number
  readonly stat: StatColumns
  /**
   * Of a file for reading: from `stat` on, every change of the content shows in the ctime. False for one that is changed
   * so often that no moment of rest was found: what is read of it proves nothing.
   */
  readonly isSettled: boolean
}

/**
 * Opens what lies below the root, a name or a descriptor, without following a link in any part of the path and without waiting for a FIFO.
 * `create`: makes a file that must not exist, mode 0600, for writing and reading. The type in `stat` is for the caller to check.
 * @throws BackupError IBT_READ_FAILED, IBT_WRITE_FAILED
 */
export async function openFile(
  root: Uint8Array | number,
  path: Uint8Array,
  mode: 'read' | 'create',
  signal?: AbortSignal
): Promise<OpenFile> {
  if (mode !== 'read' && mode !== 'create') throw new TypeError(`openFile: mode is 'read' or 'create', not ${mode}`)
  const create = mode === 'create'
  const subject = { action: create ? 'create' : 'open', path: decodePath(path) }
  const { fd, columns, isSettled } = await runJob(
    subject,
    signal,
    token => addon().openFile(root, path, create, token),
    opened => void closeDescriptor(opened.fd).catch(() => {})
  )
  return { fd, stat: statColumns(columns, 1), isSettled }
}

/**
 * Closes what `openFile` or `openRoot` has opened. `close` of `node:fs` would do so, too, but in a worker thread it warns
 * of every descriptor that `node:fs` has not opened.
 *
 * @throws BackupError IBT_WRITE_FAILED: a network file system may report only now that a write has failed
 */
export function closeDescriptor(fd: number): Promise<void> {
  return runJob({ action: 'close a file' }, undefined, token => addon().closeDescriptor(fd, token))
}
