import { pipe } from '../../interop/pipe.js'
import { openPlaces } from '../../places/places.js'
import { patch } from '../../stages/patch.js'
import type { Entry } from '../../types.js'
import { type SelectOptions, selectEntries } from './restore.js'

/** Options of `backupEntries`. */
export type BackupEntriesOptions = Omit<SelectOptions, 'onProgress' | 'onError'>

/**
 * The entries of a backup with their contents, as a source for other pipelines: in the place of `walk`, it makes a backup
 * in another store, with taps between the two.
 *
 * Yields `Entry` in path order. A content can be read once, while its entry is the current one, and is proven by its
 * SHA-256 at its end. Memory: that of a restore.
 *
 * @throws BackupError IBT_NO_BACKUP, and what `unpack` and `patch` throw.
 */
export async function* backupEntries(
  key: string,
  options: BackupEntriesOptions = {}
): AsyncGenerator<Entry, void, undefined> {
  const { signal } = options
  const { unpack, filter } = await selectEntries(key, openPlaces(options), options)
  yield* pipe(unpack, filter, patch(), { signal })
}
