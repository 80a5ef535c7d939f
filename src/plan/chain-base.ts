import type { Chain } from '../stores/chain.js'
import { backupLinks } from '../stores/merged-places.js'

/** What a backup builds on, as it is now where some backups were merged. */
export interface ChainBase {
  /** Date of the full. */
  readonly full: string
  /** Incrementals on it. */
  readonly increments: number
}

/** Reads both ends of the state of a date, and of each merged one that it builds on. @throws what `chain.ends` throws */
export async function chainBase(chain: Chain, date: string): Promise<ChainBase> {
  const { header } = await chain.ends(date)
  const links = backupLinks(header.chain).map(link => ({ ...link, asOf: link.asOf ?? link.date }))
  const stateDates = new Map(chain.backups.map(backup => [backup.date, backup.stateDate]))
  const merged = links.slice(0, -1).findLastIndex(link => {
    const stateDate = stateDates.get(link.asOf)
    return stateDate !== undefined && stateDate !== link.date
  })
  if (merged < 0) return { full: links[0]!.asOf, increments: links.length - 1 }
  const { full, increments } = await chainBase(chain, links[merged]!.asOf)
  return { full, increments: increments + links.length - 1 - merged }
}
