import { BackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import type { Places } from '../places/places.js'
import { listStored } from '../stores/backup-names.js'
import type { Store, StoreOptions } from '../types.js'

/**
 * Refuses a store that shows no backup of a key while the cache knows some: most often its disk is not mounted, and a new
 * full would fill the directory below the mount point. Without a cache, or with a cache that fails, nothing is known.
 * It comes before the lock, so that nothing is written there.
 *
 * @throws BackupError IBT_STORE_EMPTY
 */
export async function checkMounted(places: Places, key: string, options: StoreOptions): Promise<void> {
  const { signal } = options
  const { store, cache = places.localState } = places
  if (cache === undefined || !(await hasBackup(cache, key, { signal }).catch(() => false))) return
  signal?.throwIfAborted()
  if (await hasBackup(store, key, { signal })) return
  const where = store.places?.[0] ?? 'The store'
  const message = `${where} has no backup of ${key}, but the cache knows some: is its disk mounted? To begin anew: --init`
  throw new BackupError('IBT_STORE_EMPTY', message, { path: key })
}

async function hasBackup(store: Store, key: string, options: StoreOptions): Promise<boolean> {
  const stored = await listStored(store, `${key}.`, options)
  return stored.map(({ name }) => parseArtifactName(name)).some(name => name?.key === key && name.kind === 'state')
}
