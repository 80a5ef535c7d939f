import { BackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import { isOpaqueName } from '../stores/decorators/opaque-names.js'
import type { StoredName } from '../types.js'

/**
 * Looks at all names of a store before anything is written into it. Two keys that a file system or a person could take for
 * one are refused, and so is a store whose backups all have encrypted names: the secret is missing.
 *
 * @throws BackupError IBT_NAME_INVALID, IBT_OPAQUE_NAMES
 */
export function checkNames(stored: readonly StoredName[], key: string): void {
  let opaque: string | undefined
  let isPlain = false
  for (const { name } of stored) {
    const other = parseArtifactName(name)?.key
    isPlain ||= other !== undefined
    if (other === undefined && isOpaqueName(name)) opaque ??= name
    if (other === undefined || other === key || other.toLowerCase() !== key.toLowerCase()) continue
    const message = `The store has backups under ${other}, which differs from ${key} only in case`
    throw new BackupError('IBT_NAME_INVALID', message, { path: key })
  }
  if (isPlain || opaque === undefined) return
  const message =
    'The names of the backups in the store are encrypted: give their secret (--opaque-names), or another store'
  throw new BackupError('IBT_OPAQUE_NAMES', message, { path: opaque })
}
