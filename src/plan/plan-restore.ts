import { parseAt } from '../places/at.js'
import type { AtOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import { createSelection } from '../rules.js'
import { Chain } from '../stores/chain.js'
import { type RestoreCost, restoreCost } from './restore-cost.js'

/** Options of `planRestore`. */
export interface PlanRestoreOptions extends AtOptions {
  /** Patterns of what is restored, as those of `restoreBackup`. Default: everything. */
  readonly paths?: readonly string[] | undefined
}

/** What a restore would read. */
export interface RestorePlan extends RestoreCost {
  readonly key: string
  readonly date: string
  /** Archives of the key in the store, of all dates, and the bytes of them. */
  readonly stored: { readonly archives: number; readonly sizeBytes: number }
}

/**
 * Says which artifacts a restore opens, how many frames and bytes of them it reads, and with how many requests: from the
 * state and the seek tables, without reading a content. A state that is in the cache takes no request.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_BASIS_MISSING for an archive that is gone, and what reading a state throws.
 */
export async function planRestore(key: string, options: PlanRestoreOptions = {}): Promise<RestorePlan> {
  const { at, paths, codecs, signal } = options
  const chain = await Chain.open(openPlaces(options).cached, key, { codecs, signal })
  const { date } = chain.at(await parseAt(at))
  const cost = await restoreCost(chain, date, { selection: paths && createSelection(paths) })
  const archives = chain.artifacts.filter(({ kind }) => kind === 'full' || kind === 'created' || kind === 'updated')
  const sizeBytes = archives.reduce((sum, artifact) => sum + artifact.sizeBytes, 0)
  return { key, date, ...cost, stored: { archives: archives.length, sizeBytes } }
}
