import { isBackupError } from '../../errors.js'
import type { Places } from '../../places/places.js'
import type { Chain } from '../../stores/chain.js'
import type { Cipher } from '../../types.js'
import type { RunOptions } from '../options.js'

/**
 * Makes the local state whole while there is a key: every state and every sigvault is opened once, which copies it and
 * remembers its key. What cannot be opened is told to `onError`.
 */
export async function rebuildLocalState(
  chain: Chain,
  { localState }: Places,
  cipher: Cipher | undefined,
  { signal, onError }: RunOptions
): Promise<void> {
  if (localState === undefined || cipher === undefined || (cipher.opens ?? 'all') !== 'all') return
  for (const { kind, date } of chain.artifacts) {
    if (kind !== 'state' && kind !== 'sigvault') continue
    signal?.throwIfAborted()
    try {
      await chain.openArchive(date, kind)
    } catch (error) {
      signal?.throwIfAborted()
      if (!isBackupError(error)) throw error
      onError?.(error)
    }
  }
}
