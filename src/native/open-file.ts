import { close } from 'node:fs'
import { decodePath } from '../path.js'
import { addon } from './addon.js'
import { type StatColumns, statColumns } from './columns.js'
import { runJob } from './job.js'

/** A file that is open, and what it was when it was opened. */
export interface OpenFile {
  /** For `node:fs`; the caller closes it. */
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
    opened => close(opened.fd)
  )
  return { fd, stat: statColumns(columns, 1), isSettled }
}
