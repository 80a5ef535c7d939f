import { BackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import { listStored } from '../stores/backup-names.js'
import { findRemoved } from '../stores/removed.js'
import type { ListingOptions, Store, StoredName } from '../types.js'

/**
 * What a store has of a key, for whoever deletes: its states, removed ones too, are listed once more by a narrower
 * prefix. A list that was cut off or that fails in silence would make artifacts look like ones that nothing needs. For
 * the holder of the key's lock.
 *
 * @throws BackupError IBT_NO_BACKUP if there is no state, IBT_STORE_FAILED if the lists differ
 */
export async function listCertain(store: Store, key: string, options: ListingOptions): Promise<readonly StoredName[]> {
  const { signal } = options
  const stored = await listStored(store, `${key}.`, options)
  const again = [
    ...(await listStored(store, `${key}.removed.`, { signal })),
    ...(await listStored(store, `${key}.state.`, { signal }))
  ]
  const states = statesIn(again, key)
  if (statesIn(stored, key).join('\n') !== states.join('\n')) {
    const message = `The store lists other states of ${key} than a moment ago: nothing is removed`
    throw new BackupError('IBT_STORE_FAILED', message, { path: key })
  }
  if (stored.some(({ name }) => isState(name, key))) return stored
  throw new BackupError('IBT_NO_BACKUP', `No backup of ${key}: nothing is removed`, { path: key })
}

function statesIn(stored: readonly StoredName[], key: string): string[] {
  const removed = findRemoved(stored, key).map(({ name }) => name)
  return [...removed, ...stored.map(({ name }) => name).filter(name => isState(name, key))].sort()
}

function isState(name: string, key: string): boolean {
  const parsed = parseArtifactName(name)
  return parsed?.key === key && parsed.kind === 'state'
}
