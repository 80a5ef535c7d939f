import { XATTRS_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import type { Entry } from '../types.js'

/** What a record of a tar, or a field of a state, takes beside name and value. */
const RECORD_BYTES = 32

/**
 * The entry with at most `XATTRS_BYTES` of extended attributes. Those that do not fit any more are left out, and
 * `error` says so: the content is stored, and the run counts the entry as one that was not wholly read.
 */
export function boundXattrs<T extends Entry>(entry: T): T {
  const { path, xattrs, error } = entry
  if (xattrs === undefined) return entry
  let bytes = 0
  const fits: [string, Uint8Array][] = []
  for (const [name, value] of xattrs) {
    const needed = RECORD_BYTES + 3 * name.length + value.length
    if (bytes + needed > XATTRS_BYTES) continue
    bytes += needed
    fits.push([name, value])
  }
  if (fits.length === xattrs.size) return entry
  const count = xattrs.size - fits.length
  const message = `${count} of the ${xattrs.size} extended attributes of ${printPath(path)} are left out: a backup stores at most ${XATTRS_BYTES} bytes of them for an entry`
  const tooMany = new BackupError('IBT_UNSUPPORTED_TYPE', message, { path })
  return { ...entry, xattrs: fits.length === 0 ? undefined : new Map(fits), error: error ?? tooMany }
}
