import { type Behind, type MirrorOptions, mirror } from '../stores/decorators/mirror.js'
import type { Store } from '../types.js'
import { toStore } from './places.js'

/** A call of one of several stores that failed while the others went on. */
export interface NamedBehind extends Behind {
  /** What the store was named by, and what the others were. */
  readonly named: Store | string
  readonly others: readonly (Store | string)[]
}

/** What of a mirror its user decides. */
export interface SeveralOptions extends Pick<MirrorOptions, 'quorum'> {
  readonly onBehind?: ((behind: NamedBehind) => void) | undefined
}

type Decorate = (store: Store) => Store

/** How the stores behind one are put into a decorator, each by itself. */
const EACH = new WeakMap<Store, (decorate: Decorate) => Store>()

/**
 * Several stores as one, as the command line and a config name them: what is put into it is stored in each.
 *
 * @throws RangeError for a quorum that cannot be reached, and a path that is none
 */
export function severalStores(named: readonly (Store | string)[], options: SeveralOptions): Store {
  return together(named, named.map(toStore), options)
}

/** A store in a decorator; of several as one, each in its own: a mirror that knows the names keeps a backup together. */
export function decorateEach(named: Store | string, decorate: Decorate): Store {
  const store = toStore(named)
  return EACH.get(store)?.(decorate) ?? decorate(store)
}

function together(
  named: readonly (Store | string)[],
  stores: readonly Store[],
  { quorum, onBehind }: SeveralOptions
): Store {
  const store = mirror(stores, {
    quorum,
    onBehind: behind => {
      const at = stores.indexOf(behind.store)
      onBehind?.({ ...behind, named: named[at]!, others: named.filter((_, i) => i !== at) })
    }
  })
  EACH.set(store, decorate => together(named, stores.map(decorate), { quorum, onBehind }))
  return store
}
