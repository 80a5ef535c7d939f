import { type MirrorOptions, mirror } from '../stores/decorators/mirror.js'
import type { Store } from '../types.js'
import { toStore } from './places.js'

/** What of a mirror its user decides. */
export type SeveralOptions = Pick<MirrorOptions, 'quorum' | 'onBehind'>

/**
 * Several stores as one, as the command line and a config name them: what is put into it is stored in each.
 *
 * @throws RangeError for a quorum that cannot be reached, and a path that is none
 */
export function severalStores(stores: readonly (Store | string)[], { quorum, onBehind }: SeveralOptions): Store {
  return mirror(stores.map(toStore), { quorum, onBehind })
}
