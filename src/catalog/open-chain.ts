import type { PlaceOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import { Chain } from '../stores/chain.js'

/** The backups of a key. States are read from the cache, which fetches what it has not. */
export function openChain(key: string, options: PlaceOptions): Promise<Chain> {
  const { signal, codecs } = options
  return Chain.open(openPlaces(options).cached, key, { signal, codecs })
}
