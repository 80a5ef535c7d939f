import type { Chain } from '../stores/chain.js'

/**
 * Incrementals that a backup and those that it builds on have on their full: where some were merged, as they are now.
 * Reads both ends of its state, and of each merged one. @throws what `chain.ends` throws
 */
export async function chainDepth(chain: Chain, date: string): Promise<number> {
  const { header } = await chain.ends(date)
  const links = header.chain.map(link => ({ ...link, asOf: link.asOf ?? link.date }))
  const stateDates = new Map(chain.backups.map(backup => [backup.date, backup.stateDate]))
  const merged = links.slice(0, -1).findLastIndex(link => {
    const stateDate = stateDates.get(link.asOf)
    return stateDate !== undefined && stateDate !== link.date
  })
  return merged < 0 ? links.length - 1 : links.length - 1 - merged + (await chainDepth(chain, links[merged]!.asOf))
}
