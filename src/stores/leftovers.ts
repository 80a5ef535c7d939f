import { BackupError } from '../errors.js'
import { artifactName } from '../format/names.js'
import type { Store, StoreOptions } from '../types.js'
import type { Chain, StoredArtifact } from './chain.js'
import { isNotFound, isRetained } from './stored-name.js'

/**
 * Deletes what an interrupted run left, for the holder of the key's lock: artifacts that are younger than every state.
 * What no codec reads, and what the store retains, is left.
 *
 * @throws BackupError IBT_STORE_FAILED if the store has the state of such an artifact and does not list it: its list is
 * not believed, and nothing is deleted. What the store throws.
 */
export async function deleteLeftovers(
  chain: Chain,
  store: Store,
  leftovers: readonly StoredArtifact[],
  options: StoreOptions
): Promise<void> {
  const known = leftovers.filter(isReadable)
  const stateOf = ({ date, asOf, codec }: StoredArtifact) =>
    artifactName({ key: chain.key, date, asOf }, 'state', codec().suffix)
  const states = new Set(known.map(stateOf))
  for (const state of states) {
    if (!(await isThere(store, state, options))) continue
    const message = `The store has ${state}, but does not list it: nothing is removed`
    throw new BackupError('IBT_STORE_FAILED', message, { path: state })
  }
  for (const { name } of known) {
    await store.delete(name, options).catch(error => {
      if (!isRetained(error)) throw error
    })
  }
}

function isReadable({ codec }: StoredArtifact): boolean {
  try {
    codec()
    return true
  } catch {
    return false
  }
}

async function isThere(store: Store, name: string, options: StoreOptions): Promise<boolean> {
  try {
    for await (const _ of store.get(name, { start: 0, end: 1 }, options)) return true
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
