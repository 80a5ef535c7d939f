import { parseAt } from '../places/at.js'
import type { AtOptions } from '../places/options.js'
import type { StateEntry, StateHeader } from '../types.js'
import { openChain } from './open-chain.js'

/** The entries of a backup in path order. @throws BackupError IBT_NO_BACKUP, and what reading a state throws */
export async function* listEntries(
  key: string,
  options: AtOptions = {}
): AsyncGenerator<StateEntry, StateHeader, undefined> {
  const chain = await openChain(key, options)
  const state = await chain.state(chain.at(await parseAt(options.at)).date)
  yield* state.entries()
  return state.header
}
