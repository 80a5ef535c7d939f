import { isBelow } from '../path.js'
import type { PlaceOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import { Chain } from '../stores/chain.js'
import type { SeekOptions } from '../stores/state-seek.js'
import type { StateEntry } from '../types.js'

/** The backups of a key. States are read from the cache, which fetches what it has not. */
export function openChain(key: string, options: PlaceOptions): Promise<Chain> {
  const { signal, codecs } = options
  return Chain.open(openPlaces(options).cached, key, { signal, codecs })
}

/** The backups of a key, for who reads parts of states: they come from the cache if it has them, and do not fill it. */
export function peekChain(key: string, options: PlaceOptions): Promise<Chain> {
  const { signal, codecs } = options
  return Chain.open(openPlaces(options).peeked, key, { signal, codecs })
}

/** The entry of a path in the state of a date. Memory and requests: as `openStateFrom`. */
export async function findEntry(
  chain: Chain,
  date: string,
  path: string,
  seek: Omit<SeekOptions, 'from'> = {}
): Promise<StateEntry | undefined> {
  for await (const entry of chain.entries(date, { ...seek, from: path })) return entry.path === path ? entry : undefined
  return undefined
}

/** The entries of one path and below it, out of those that begin there. */
export async function* onlyWithin(
  entries: AsyncIterable<StateEntry>,
  path: string
): AsyncGenerator<StateEntry, void, undefined> {
  for await (const entry of entries) {
    if (entry.path !== path && !isBelow(entry.path, path)) return
    yield entry
  }
}
