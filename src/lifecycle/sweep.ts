import { parseDate } from '../format/dates.js'
import { parseArtifactName } from '../format/names.js'
import { askedFor } from '../stores/backup-names.js'
import { Chain, type ChainOptions, type StoredArtifact } from '../stores/chain.js'
import { checkStateless } from '../stores/leftovers.js'
import { type RemovedBackup, withRemoved } from '../stores/removed.js'
import type { StoredSegment } from '../stores/segments.js'
import { describeRetained, isRetained } from '../stores/stored-name.js'
import type { Store, StoredName } from '../types.js'
import { listCertain } from './listing.js'
import { type ArtifactId, artifactId, type BackupNeeds, Needs } from './needs.js'

/** What stays in the store although no backup needs it, and why. */
export interface LeftName extends StoredName {
  readonly reason: string
}

/** A removed backup that can still come back. */
export interface WaitingBackup {
  readonly date: string
  readonly removedAtMs: number
}

/** What a sweep has deleted, and what it has left. */
export interface Swept {
  /** Dates of removed backups that cannot come back any more. */
  readonly expired: readonly string[]
  readonly deleted: readonly StoredName[]
  readonly freedBytes: number
  readonly left: readonly LeftName[]
  readonly waiting: readonly WaitingBackup[]
}

/** Options of `sweep`. */
export interface SweepOptions extends ChainOptions {
  /** How long a removed backup can come back; 0: not at all. */
  readonly graceMs: number
  readonly nowMs: number
  readonly keepSigvaults?: boolean | undefined
  /** Removed backups that go although their period of grace is not over. Default: none. */
  readonly purges?: ((removed: RemovedBackup) => boolean) | undefined
  /** Whether what no state was ever made for goes at once. Default: after the period of grace. */
  readonly deletesYoung?: boolean | undefined
  /** What is known of the backups already. */
  readonly needs?: Needs | undefined
  /** Called before each deletion: throws if this run may not go on. */
  readonly check: () => Promise<void>
}

/**
 * Deletes what no backup and no removed backup within the period of grace needs: first the states that others stand for,
 * and those of removed backups whose time is over, then archives and signatures. For the holder of the key's lock.
 * What a crashed run left without a state counts as removed at its date; the finished segments of a merge, at that of the
 * last one. Names that are not those of artifacts, artifacts
 * that no codec reads, copies with other suffixes, and what the store retains are left.
 *
 * @throws BackupError what a state cannot be read for: what it needs is not known. Nothing has been deleted then.
 */
export async function sweep(store: Store, key: string, options: SweepOptions): Promise<Swept> {
  const { graceMs, nowMs, signal, codecs, purges, deletesYoung } = options
  const stored = await listCertain(store, key, { signal })
  const chain = await Chain.open(store, key, { signal, codecs, stored })
  const isOver = (ms: number) => graceMs === 0 || nowMs - ms >= graceMs
  const isExpired = (removed: RemovedBackup) => isOver(removed.removedAtMs) || purges?.(removed) === true
  const waiting = await withNeededStates(chain, stored, isExpired, options)
  const expired = chain.removed.filter(removed => !waiting.includes(removed))
  const sweeper = new Sweeper(store, options)
  const unfinished = deletesYoung ? [] : findUnfinished(chain, isOver)
  const needed = await findNeeded(chain, { waiting, unfinished }, stored, options)
  const superfluous = chain.artifacts.filter(one => one.kind !== 'state' && !needed.ids.has(artifactId(one)))
  const rules = {
    chain,
    isOver: (ms: number) => deletesYoung || isOver(ms),
    endings: endingsOf(chain),
    had: datesWithState(chain, expired)
  }
  const reasonOf = (artifact: StoredArtifact) => needed.unknown ?? whyLeft(artifact, rules)
  const stateless = superfluous.filter(one => reasonOf(one) === undefined && !rules.had.has(one.date))
  await checkStateless(chain, store, stateless, { signal })
  for (const record of chain.segments) {
    if (unfinished.includes(record)) sweeper.leave(record, 'an interrupted merge goes on with it')
    else await sweeper.remove(record)
  }
  for (const state of [...chain.superseded, ...expired]) await sweeper.remove(state)
  for (const artifact of superfluous) {
    const reason = reasonOf(artifact)
    if (reason === undefined) await sweeper.remove(artifact)
    else sweeper.leave(artifact, reason)
  }
  const live = new Set(chain.backups.map(({ date }) => date))
  const isGone = (copy: RemovedBackup) => !live.has(askedFor(copy))
  return {
    ...sweeper.result,
    expired: [...new Set(expired.filter(isGone).map(askedFor))],
    waiting: waiting.filter(isGone).map(copy => ({ date: askedFor(copy), removedAtMs: copy.removedAtMs }))
  }
}

/** The removed backups that can still come back, and those whose states these cannot be read without. */
async function withNeededStates(
  chain: Chain,
  stored: readonly StoredName[],
  isExpired: (removed: RemovedBackup) => boolean,
  { codecs, signal, needs = new Needs() }: SweepOptions
): Promise<readonly RemovedBackup[]> {
  const waiting = chain.removed.filter(removed => !isExpired(removed))
  if (waiting.length === 0 || waiting.length === chain.removed.length) return waiting
  const view = withRemoved(chain.store, stored, chain.removed)
  const whole = await Chain.open(view.store, chain.key, { codecs, signal, stored: view.stored })
  const found = await needs.of(whole, [...new Set(waiting.map(askedFor))])
  const needed = new Set(
    [...found.values()].flatMap(({ error, ...known }) => (error ? [] : (known as BackupNeeds).restore))
  )
  return chain.removed.filter(
    removed => !isExpired(removed) || needed.has(artifactId({ kind: 'state', date: removed.date }))
  )
}

/** Records of merges that may go on: those of a backup that is there, and not merged since. */
function findUnfinished(
  { artifacts, backups, segments }: Chain,
  isOver: (ms: number) => boolean
): readonly StoredSegment[] {
  const live = new Set(backups.map(({ date }) => date))
  return segments.filter(({ asOf, date }) => {
    const last = segments.findLast(other => other.asOf === asOf)!
    return live.has(asOf) && !wasMerged(artifacts, { asOf, date }) && !isOver(parseDate(last.date))
  })
}

/** Whether the backup that an artifact stands for has a merged state which was written with it, or later. */
function wasMerged(
  artifacts: readonly StoredArtifact[],
  { asOf, date }: Pick<StoredArtifact, 'asOf' | 'date'>
): boolean {
  return asOf !== undefined && artifacts.some(one => one.kind === 'state' && one.asOf === asOf && one.date >= date)
}

/** Dates in the names of artifacts that have a state, or whose state has just been deleted. */
function datesWithState({ artifacts }: Chain, expired: readonly RemovedBackup[]): ReadonlySet<string> {
  const states = artifacts.filter(({ kind }) => kind === 'state')
  return new Set([...states, ...expired].map(({ date }) => date))
}

/** Deletes names one after the other, and remembers what became of them. */
class Sweeper {
  readonly #deleted: StoredName[] = []
  readonly #left: LeftName[] = []

  constructor(
    readonly store: Store,
    readonly options: SweepOptions
  ) {}

  async remove({ name, sizeBytes, retainedUntilMs = 0 }: StoredName): Promise<void> {
    const { nowMs, signal, check } = this.options
    if (retainedUntilMs > nowMs) return this.leave({ name, sizeBytes }, describeRetained(retainedUntilMs))
    await check()
    try {
      await this.store.delete(name, { signal })
      this.#deleted.push({ name, sizeBytes })
    } catch (error) {
      if (!isRetained(error)) throw error
      this.leave({ name, sizeBytes }, 'locked')
    }
  }

  leave({ name, sizeBytes }: StoredName, reason: string): void {
    this.#left.push({ name, sizeBytes, reason })
  }

  get result() {
    const freedBytes = this.#deleted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    return { deleted: this.#deleted, freedBytes, left: this.#left }
  }
}

interface Needed {
  readonly ids: ReadonlySet<ArtifactId>
  /** Why nobody knows all that is needed. */
  readonly unknown?: string | undefined
}

/** What the backups need, the removed ones that may come back, and merges that may go on. */
async function findNeeded(
  chain: Chain,
  {
    waiting,
    unfinished
  }: { readonly waiting: readonly RemovedBackup[]; readonly unfinished: readonly StoredSegment[] },
  stored: readonly StoredName[],
  { keepSigvaults, codecs, signal, needs = new Needs() }: SweepOptions
): Promise<Needed> {
  const segments = new Set(unfinished.map(({ date }) => date))
  const ids = new Set(chain.artifacts.filter(({ date }) => segments.has(date)).map(artifactId))
  for (const [date, found] of await needs.of(
    chain,
    chain.backups.map(({ date }) => date)
  )) {
    if (found.error !== undefined) throw found.error
    for (const id of found.restore) ids.add(id)
    if (keepSigvaults || date === chain.newest?.date) for (const id of found.signatures) ids.add(id)
  }
  const view = withRemoved(chain.store, stored, waiting)
  const whole = await Chain.open(view.store, chain.key, { codecs, signal, stored: view.stored })
  let unknown: string | undefined
  for (const [date, found] of await needs.of(whole, [...new Set(waiting.map(askedFor))])) {
    if (found.error === undefined) {
      for (const id of [...found.restore, ...(keepSigvaults ? found.signatures : [])]) ids.add(id)
    } else unknown = `the removed backup of ${date} may need it, and cannot be read`
  }
  return { ids, unknown }
}

/** The suffixes of the states: what has others was made by somebody else. */
function endingsOf({ artifacts, removed }: Chain): ReadonlySet<string> {
  const states = artifacts.filter(({ kind }) => kind === 'state').map(({ name }) => name)
  return new Set([...states, ...removed.map(({ state }) => state)].map(endingOf))
}

function endingOf(name: string): string {
  return parseArtifactName(name)!.suffixes.join('.')
}

interface LeavingRules {
  readonly chain: Chain
  readonly endings: ReadonlySet<string>
  readonly had: ReadonlySet<string>
  readonly isOver: (ms: number) => boolean
}

/** Why an artifact that nothing needs is not deleted; undefined if it is. */
function whyLeft(artifact: StoredArtifact, { chain, endings, had, isOver }: LeavingRules): string | undefined {
  const { name, kind, date, codec } = artifact
  try {
    codec()
  } catch {
    return 'no codec reads it'
  }
  if (!endings.has(endingOf(name))) return 'no state has its suffix'
  const isOldSigvault = kind === 'sigvault' && date <= chain.newestDate!
  const isOfMerged = wasMerged(chain.artifacts, artifact)
  if (isOldSigvault || isOfMerged || had.has(date) || isOver(parseDate(date))) return undefined
  return 'no state of its date, but younger than the period of grace'
}
