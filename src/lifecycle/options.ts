import type { BackupError } from '../errors.js'
import type { PlaceOptions } from '../places/options.js'

/** Options of whatever works on a key while nobody else does. */
export interface LockedOptions extends PlaceOptions {
  /** Milliseconds to wait for a run that holds the key's lock. Default: none. */
  readonly lockWaitMs?: number | undefined
  /** Observes what does not stop the work, such as a lock that cannot be released. */
  readonly onError?: ((error: BackupError) => void) | undefined
}
