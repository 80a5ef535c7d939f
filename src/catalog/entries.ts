import { parseAt } from '../places/at.js'
import type { AtOptions } from '../places/options.js'
import { createSelection } from '../rules.js'
import type { StateEntry, StateHeader } from '../types.js'
import { onlyWithin, openChain, peekChain } from './open-chain.js'

/** Options of `listEntries`. */
export interface ListOptions extends AtOptions {
  /** Patterns of what is listed, as `createSelection` takes them. Default: everything. */
  readonly paths?: readonly string[] | undefined
}

/**
 * The entries of a backup in path order: all, or those that are selected. Where all patterns begin with the same
 * directory, only its part of the state is read.
 * Memory: one frame of the state.
 *
 * @throws BackupError IBT_NO_BACKUP, and what reading a state throws
 */
export async function* listEntries(
  key: string,
  options: ListOptions = {}
): AsyncGenerator<StateEntry, StateHeader, undefined> {
  const { paths } = options
  const selection = paths && createSelection(paths)
  const { within } = selection ?? {}
  const chain = await (within === undefined ? openChain(key, options) : peekChain(key, options))
  const { date } = chain.at(await parseAt(options.at))
  const state = await chain.state(date, within === undefined ? undefined : { from: within })
  const entries = within === undefined ? state.entries() : onlyWithin(state.entries(), within)
  if (selection === undefined) yield* entries
  else for await (const entry of entries) if (selection.selects(entry.path, entry.type)) yield entry
  return state.header
}
