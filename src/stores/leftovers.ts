import { BackupError, isBackupError } from '../errors.js'
import { artifactName } from '../format/names.js'
import type { Store, StoreOptions } from '../types.js'
import type { Chain, StoredArtifact } from './chain.js'
import { isNotFound, isRetained } from './stored-name.js'

/**
 * Deletes what an interrupted run left, for the holder of the key's lock: artifacts that are younger than every state.
 * What no codec reads, and what the store retains or does not allow to delete, is left.
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
  await checkStateless(chain, store, known, options)
  for (const { name } of known) {
    await store.delete(name, options).catch(error => {
      if (!isFixed(error)) throw error
    })
  }
}

/**
 * Asks a store for the states of artifacts that it lists without one, before they are deleted: a list may be behind.
 *
 * @throws BackupError IBT_STORE_FAILED if there is such a state
 */
export async function checkStateless(
  chain: Chain,
  store: Store,
  artifacts: readonly StoredArtifact[],
  options: StoreOptions
): Promise<void> {
  const stateOf = ({ date, asOf, codec }: StoredArtifact) =>
    artifactName({ key: chain.key, date, asOf }, 'state', codec().suffix)
  for (const state of new Set(artifacts.map(stateOf))) {
    if (!(await isThere(store, state, options))) continue
    const message = `The store has ${state}, but does not list it: nothing is removed`
    throw new BackupError('IBT_STORE_FAILED', message, { path: state })
  }
}

/** Whether a store retains a name, or does not allow to delete it: then it stays. */
export function isFixed(error: unknown): boolean {
  return isRetained(error) || (isBackupError(error) && error.code === 'IBT_NOT_ALLOWED')
}

function isReadable({ codec }: StoredArtifact): boolean {
  try {
    codec()
    return true
  } catch {
    return false
  }
}

/** Whether a store has a name, whatever it lists. */
export async function isThere(store: Store, name: string, options: StoreOptions): Promise<boolean> {
  try {
    for await (const _ of store.get(name, { start: 0, end: 1 }, options)) return true
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
