import type { Chain, StoredArtifact } from '../stores/chain.js'
import type { Kind } from '../types.js'
import type { EraseSearch } from './erase-search.js'
import type { Look } from './plan-erase.js'

/** Names an artifact of a key. */
export function artifactId({ kind, date }: { readonly kind: Kind; readonly date: string }): string {
  return `${kind} ${date}`
}

/** What is searched, after the first look at every backup. */
export interface TaintedParts {
  readonly chain: Chain
  readonly whole: Chain
  readonly search: EraseSearch
  readonly looks: ReadonlyMap<string, Look>
}

/** The artifacts of the backups themselves: those of the date of a state, and the segments that a merged one is made of. */
async function findOwn(chain: Chain): Promise<ReadonlySet<string>> {
  const states = new Set(chain.backups.map(({ stateDate }) => stateDate))
  const own = new Set(chain.artifacts.filter(({ date }) => states.has(date)).map(artifactId))
  for (const { date } of chain.backups) {
    for (const one of await chain.needs(date)) if (chain.asOf(one.date) === date) own.add(artifactId(one))
  }
  return own
}

/**
 * Finds the artifacts, by their ids, that have what is to be erased and are not written again with a backup of their own:
 * that one is removed, or its state is gone, or they are sigvaults. Where no state tells, the headers do; of what no
 * backup needs, they are read only if nothing else has been found.
 */
export async function findTainted({ chain, whole, search, looks }: TaintedParts): Promise<ReadonlySet<string>> {
  const own = await findOwn(chain)
  const owners = new Map(whole.backups.map(({ date, stateDate }) => [stateDate, looks.get(date)]))
  const tainted = new Set<string>()
  const untold: StoredArtifact[] = []
  for (const artifact of chain.artifacts) {
    const { kind, date } = artifact
    const id = artifactId(artifact)
    const owner = owners.get(date)
    if (kind === 'state') continue
    if (kind === 'sigvault' && search.holders.has(id)) tainted.add(id)
    else if (own.has(id)) continue
    else if (owner === undefined || owner.hasUnread) {
      if (search.holders.has(id)) tainted.add(id)
      else untold.push(artifact)
    } else if (owner.files > 0) tainted.add(id)
  }
  const needed = new Set<string>()
  for (const date of looks.keys()) for (const one of await whole.needs(date)) needed.add(artifactId(one))
  const addThose = async (some: readonly StoredArtifact[]) => {
    for (const one of some) if (await search.isInSome(chain, [one])) tainted.add(artifactId(one))
  }
  await addThose(untold.filter(one => needed.has(artifactId(one))))
  const isFound = [...looks.values()].some(({ files, erasedBefore }) => files + erasedBefore > 0)
  if (!isFound && tainted.size === 0) await addThose(untold.filter(one => !needed.has(artifactId(one))))
  return tainted
}
