import { BackupError } from '../errors.js'
import type { Selection } from '../rules.js'
import type { Chain } from '../stores/chain.js'
import type { PlannedArchive } from './archive-use.js'
import { restoreCost } from './restore-cost.js'

const NAMES_SHOWN = 3

/**
 * Refuses a restore that would end at an archive which has to be thawed first. Where nothing is cold, it reads nothing.
 *
 * @throws BackupError IBT_ARCHIVED with the names, and what reading a state throws.
 */
export async function checkThawed(chain: Chain, date: string, selection: Selection | undefined): Promise<void> {
  if (chain.artifacts.every(({ cold }) => cold === undefined)) return
  const { archives } = await restoreCost(chain, date, { selection })
  const cold = archives.filter(({ cold }) => cold !== undefined)
  if (cold.length > 0) throw notThawed(chain.key, cold)
}

function notThawed(key: string, cold: readonly PlannedArchive[]): BackupError {
  const names = cold.slice(0, NAMES_SHOWN).map(({ name }) => name)
  if (cold.length > NAMES_SHOWN) names.push(`${cold.length - NAMES_SHOWN} more`)
  const isAsked = cold.every(({ cold }) => cold === 'thawing')
  const what = isAsked ? 'wait until the store has done it' : `ibt thaw ${key} asks for it`
  const message = `Archives that the restore needs have to be thawed first (${names.join(', ')}): ${what}`
  return new BackupError('IBT_ARCHIVED', message, { path: cold[0]!.name })
}
