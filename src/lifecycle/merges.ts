import { askedFor } from '../stores/backup-names.js'
import type { Chain } from '../stores/chain.js'
import type { BackupNeeds, UnknownNeeds } from './needs.js'

/** A merge: of a date to a full, or of the increments behind one date, up to another, to one. */
export type PlannedMerge =
  | { readonly at: string; readonly from?: undefined; readonly to?: undefined }
  | { readonly at?: undefined; readonly from: string; readonly to: string }

/**
 * The merges after which kept backups need only each other: of each kept one that needs archives of dates which are not
 * kept, with the kept one before it in its chain, or to a full if there is none. Oldest first.
 */
export async function planMerges(
  chain: Chain,
  kept: ReadonlySet<string>,
  needs: ReadonlyMap<string, BackupNeeds | UnknownNeeds>
): Promise<readonly PlannedMerge[]> {
  const merges: PlannedMerge[] = []
  for (const date of [...kept].sort()) {
    const found = needs.get(date)
    if (found === undefined || found.error !== undefined) continue
    const needed = found.restore.map(id => chain.asOf(id.slice(id.indexOf(' ') + 1)))
    if (needed.every(other => kept.has(other))) continue
    const { header } = await chain.ends(date)
    const links = header.chain.map(link => chain.asOf(askedFor(link))).filter(other => other !== date)
    const from = links.findLast(other => kept.has(other))
    if (links.some(other => (from === undefined || other > from) && needed.includes(other))) {
      merges.push(from === undefined ? { at: date } : { from, to: date })
    }
  }
  return merges
}
