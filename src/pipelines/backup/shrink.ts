import { SHRUNK_MIN_ENTRIES, SHRUNK_SHARE } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { printPath } from '../../path.js'
import type { Totals } from '../../types.js'

/**
 * Refuses a source that is suddenly all but empty, as the mount point of a disk that is not there is: nothing is left
 * below its root, or of at least `SHRUNK_MIN_ENTRIES` less than `SHRUNK_SHARE`.
 *
 * @throws BackupError IBT_SOURCE_SHRUNK
 */
export function checkShrunk(root: string, before: Totals, now: Totals): void {
  checkLeft(root, { had: before.entries - 1, has: now.entries - 1 }, 'of its last backup: is its disk mounted?')
}

/** The same of numbers of entries, roots not counted. `of`: what had them, and what to do. @throws BackupError IBT_SOURCE_SHRUNK */
export function checkLeft(
  root: string,
  { had, has }: { readonly had: number; readonly has: number },
  of: string
): void {
  const isEmpty = had > 0 && has <= 0
  if (!isEmpty && !(had >= SHRUNK_MIN_ENTRIES && has < had * SHRUNK_SHARE)) return
  const left = has <= 0 ? 'none' : has
  const message = `${printPath(root)} has ${left} of the ${had} entries ${of}`
  throw new BackupError('IBT_SOURCE_SHRUNK', message, { path: root })
}
