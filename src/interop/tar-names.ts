import { BackupError } from '../errors.js'
import { printPath, ROOT_PATH } from '../path.js'

/** How the names of a foreign tar become paths. */
export interface TarNameOptions {
  /**
   * Parts at the front of each name that are left out, as `--strip-components` of tar does: `.` counts as one. Entries
   * that have no more parts are left out. Default: 0.
   */
  readonly strip?: number | undefined
  /**
   * What becomes of names that begin with `/`. `strip`: the slash is left out, as tar does. `refuse`: as a name with '..'.
   * Default: `strip`.
   */
  readonly absolute?: 'strip' | 'refuse' | undefined
}

/** The path of a name; undefined if `strip` leaves nothing of it. @throws BackupError IBT_UNSAFE_PATH */
export function toPath(name: string, { strip = 0, absolute = 'strip' }: TarNameOptions): string | undefined {
  if (name === '') throw unsafe(name, 'is empty')
  if (name.startsWith('/') && absolute === 'refuse') throw unsafe(name, 'is absolute')
  const parts = name.split('/').filter(part => part !== '')
  if (parts.includes('..')) throw unsafe(name, "has a '..' part")
  if (strip > 0 && parts.length <= strip) return undefined
  const path = parts
    .slice(strip)
    .filter(part => part !== '.')
    .join('/')
  return path === '' ? ROOT_PATH : path
}

/** The path that a hard link leads to: as that of a name, but all up to the last '..' is left out, as GNU tar does. */
export function toLinkPath(linkname: string, options: TarNameOptions): string | undefined {
  const parts = linkname.split('/')
  const from = parts.lastIndexOf('..') + 1
  return toPath(from === 0 ? linkname : parts.slice(from).join('/'), options)
}

function unsafe(name: string, why: string): BackupError {
  return new BackupError('IBT_UNSAFE_PATH', `The name ${printPath(name)} in the tar ${why}`, { path: name })
}
