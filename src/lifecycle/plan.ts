import { BackupError } from '../errors.js'
import type { Kept } from '../retention/evaluate.js'
import { askedFor } from '../stores/backup-names.js'
import type { Chain, StoredArtifact } from '../stores/chain.js'
import type { StoredName } from '../types.js'
import { type PlannedMerge, planMerges } from './merges.js'
import { type ArtifactId, artifactId, type BackupNeeds, type UnknownNeeds } from './needs.js'

/** What becomes of a backup: `data` is one that goes while archives of it stay, because others need them. */
export type PruneAction = 'keep' | 'remove' | 'data'

/** What becomes of one backup, and why. */
export interface PlannedBackup {
  readonly date: string
  readonly kind: 'full' | 'incremental'
  readonly action: PruneAction
  /** Why it is kept, or which backups need its archives. */
  readonly reasons: readonly string[]
  /** Of all its artifacts. */
  readonly sizeBytes: number
  /** Of those of its artifacts that stay. */
  readonly staysBytes: number
}

/** What a prune does. */
export interface PrunePlan {
  readonly key: string
  /** Oldest first. */
  readonly backups: readonly PlannedBackup[]
  /** Signatures that no incremental will ever need: they are deleted at once. */
  readonly sigvaults: readonly StoredName[]
  readonly keeps: number
  readonly removes: number
  /** Backups that go while archives of them stay. */
  readonly data: number
  /** Bytes of archives that stay for other backups only. */
  readonly dataBytes: number
  /** Bytes that nothing needs any more when the period of grace is over. */
  readonly freedBytes: number
  /** Whether so much stays for others only that merges would pay. */
  readonly isCostly: boolean
  /** The merges after which only what the rules keep would stay: with the option `merge` they come first. */
  readonly merges: readonly PlannedMerge[]
}

/** What a plan is made of. */
export interface PlanParts {
  readonly chain: Chain
  readonly kept: Kept
  readonly needs: ReadonlyMap<string, BackupNeeds | UnknownNeeds>
  readonly keepSigvaults?: boolean | undefined
  readonly allowMissing?: boolean | undefined
}

/**
 * Plans which backups go, and what of them stays.
 *
 * @throws BackupError what a kept state cannot be read for; IBT_BASIS_MISSING if a kept backup has lost an archive.
 */
export async function planPrune(parts: PlanParts): Promise<PrunePlan> {
  const { chain, kept, needs, keepSigvaults = false, allowMissing = false } = parts
  const reasons = withNeeded(chain, kept, needs)
  if (!allowMissing) checkWhole(chain, reasons, needs)
  const needing = findNeeding(reasons, needs, keepSigvaults ? [...reasons.keys()] : [chain.newest!.date])
  const sigvaults = chain.artifacts.filter(
    artifact => artifact.kind === 'sigvault' && !keepSigvaults && !needing.has(artifactId(artifact))
  )
  const backups = chain.backups.map(({ date, kind, sizeBytes }): PlannedBackup => {
    const why = reasons.get(date)
    const own = chain.artifacts.filter(artifact => askedFor(artifact) === date)
    const stays = own.filter(artifact => needing.has(artifactId(artifact)))
    const action = why !== undefined ? 'keep' : stays.some(({ kind }) => kind !== 'sigvault') ? 'data' : 'remove'
    const told = why ?? (action === 'data' ? [describeNeeding(stays, needing)] : [])
    return { date, kind, action, reasons: told, sizeBytes, staysBytes: total(stays) }
  })
  const dated = new Set(backups.map(({ date }) => date))
  const ofGone = total(sigvaults.filter(artifact => !dated.has(askedFor(artifact))))
  const freedBytes = backups.reduce((sum, { sizeBytes, staysBytes }) => sum + sizeBytes - staysBytes, ofGone)
  const names = sigvaults.map(({ name, sizeBytes }) => ({ name, sizeBytes }))
  // Of those that are kept for others only: with the merges, they go.
  const merges = await planMerges(chain, new Set(kept.keys()), needs)
  return { key: chain.key, backups, sigvaults: names, freedBytes, ...sums(backups, kept), merges }
}

function sums(backups: readonly PlannedBackup[], kept: Kept) {
  const of = (action: PruneAction) => backups.filter(backup => backup.action === action)
  const stays = (some: readonly PlannedBackup[]) => some.reduce((sum, { staysBytes }) => sum + staysBytes, 0)
  const [keeps, removes, data] = [of('keep'), of('remove'), of('data')]
  const asked = keeps.filter(({ date }) => kept.has(date))
  const forOthers = [...data, ...keeps.filter(({ date }) => !kept.has(date))]
  return {
    ...{ keeps: keeps.length, removes: removes.length, data: data.length, dataBytes: stays(data) },
    isCostly: forOthers.length > asked.length || 2 * stays(forOthers) > stays(asked)
  }
}

/** A state that others cannot be read without is kept like those that the rules keep. */
function withNeeded(chain: Chain, kept: Kept, needs: PlanParts['needs']): ReadonlyMap<string, readonly string[]> {
  const reasons = new Map(kept)
  const dates = new Map(chain.backups.map(({ date, stateDate }) => [`state ${stateDate}`, date]))
  // What is added while the loop runs has its turn, too.
  for (const [date] of reasons) {
    for (const id of needsOf(needs, date).restore) {
      const other = dates.get(id)
      if (other !== undefined && !reasons.has(other)) reasons.set(other, [`needed by ${date}`])
    }
  }
  return reasons
}

/** @throws BackupError why nobody knows what a backup needs */
function needsOf(needs: PlanParts['needs'], date: string): BackupNeeds {
  const found = needs.get(date)!
  if (found.error !== undefined) throw found.error
  return found
}

function checkWhole(chain: Chain, kept: ReadonlyMap<string, unknown>, needs: PlanParts['needs']): void {
  const stored = new Set(chain.artifacts.map(artifactId))
  for (const date of kept.keys()) {
    const lost = needsOf(needs, date).restore.find(id => !stored.has(id))
    if (lost === undefined) continue
    const message = `The backup of ${chain.key} of ${date} has lost its ${lost.replace(' ', ' of ')}: nothing is removed`
    throw new BackupError('IBT_BASIS_MISSING', message, { path: chain.key })
  }
}

/** The oldest and the newest backup that need an artifact. */
type Needing = ReadonlyMap<ArtifactId, { readonly first: string; readonly last: string }>

function findNeeding(
  kept: ReadonlyMap<string, unknown>,
  needs: PlanParts['needs'],
  signed: readonly string[]
): Needing {
  const found = new Map<ArtifactId, { readonly first: string; readonly last: string }>()
  for (const date of [...kept.keys()].sort()) {
    const { restore, signatures } = needsOf(needs, date)
    for (const id of [...restore, ...(signed.includes(date) ? signatures : [])]) {
      found.set(id, { first: found.get(id)?.first ?? date, last: date })
    }
  }
  return found
}

function describeNeeding(stays: readonly StoredArtifact[], needing: Needing): string {
  const dates = stays.map(artifact => needing.get(artifactId(artifact))!)
  const first = dates.map(({ first }) => first).sort()[0]!
  const last = dates
    .map(({ last }) => last)
    .sort()
    .at(-1)!
  return first === last ? `needed by ${first}` : `needed by ${first} to ${last}`
}

function total(stored: readonly StoredName[]): number {
  return stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
