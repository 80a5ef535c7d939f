import { checkKey } from '../format/names.js'
import type { Places } from '../places/places.js'
import { acquireLock, releaseLock } from '../stores/lock.js'
import type { LockedOptions } from './options.js'

/**
 * Works on a key of a store while nobody else does. `check` throws if the signal is aborted or the lock was lost: call it
 * before each deletion.
 *
 * @throws BackupError IBT_LOCKED, IBT_NAME_INVALID, and what the work throws
 */
export async function whileLocked<T>(
  { store }: Pick<Places, 'store'>,
  key: string,
  { signal, lockWaitMs, onError }: LockedOptions,
  work: (check: () => Promise<void>) => Promise<T>
): Promise<T> {
  checkKey(key)
  const lock = await acquireLock(store, key, { signal, waitMs: lockWaitMs })
  try {
    // What a run that was killed has left beside what is listed.
    await store.clean?.(key)
    return await work(async () => {
      signal?.throwIfAborted()
      await lock.check({ signal })
    })
  } finally {
    await releaseLock(lock, onError)
  }
}
