import { type BackupError, isBackupError } from '../errors.js'
import { askedFor } from '../stores/backup-names.js'
import type { Chain, StoredArtifact } from '../stores/chain.js'
import type { RemovedBackup } from '../stores/removed.js'
import type { Kind, StoredName } from '../types.js'
import type { Erasing, Matches } from './erase-entries.js'
import { EraseSearch, type Holding, type OtherPath } from './erase-search.js'
import { countBytes, planMerge } from './plan-merge.js'
import { artifactId, findTainted } from './tainted.js'

/** A backup whose artifacts are written again, without what is erased. */
export interface ErasedBackup {
  readonly date: string
  /** What it is afterwards. */
  readonly kind: 'full' | 'incremental'
  /** The backup that the new artifacts build on. */
  readonly after: string | undefined
  /** Contents that it loses, and their bytes. */
  readonly files: number
  readonly sizeBytes: number
  /** Bytes of bodies that are written, before compression, at most. */
  readonly bodyBytes: number
  /** Bytes of its artifacts, which go. */
  readonly storedBytes: number
}

/** A removed backup that cannot come back any more. */
export interface PurgedBackup {
  readonly date: string
  readonly reason: string
}

/** What an erase does. */
export interface ErasePlan {
  readonly key: string
  /** Oldest first. */
  readonly backups: readonly ErasedBackup[]
  readonly purged: readonly PurgedBackup[]
  /** Sigvaults that go as they are: what they signed is stored whole when it changes. */
  readonly sigvaults: readonly StoredName[]
  /** Paths that no pattern matches, up to 1000, with contents that are erased under paths that one does: they stay. */
  readonly copies: readonly OtherPath[]
  /** Such paths, up to 1000, whose contents are stored as deltas on erased ones: they become whole, and may repeat parts of those. */
  readonly builtOn: readonly OtherPath[]
  readonly bodyBytes: number
  /** Bytes of the artifacts that are read, at most. */
  readonly readBytes: number
  /** All that has to be gone in the end. */
  readonly doomed: readonly StoredName[]
  /** Entries that an earlier run has erased. */
  readonly erasedBefore: number
  /** Whether there is something to do, be it to finish what an earlier run has begun. */
  readonly isNeeded: boolean
}

/** What is searched. */
export interface EraseParts {
  readonly chain: Chain
  /** The same, with the states of removed backups back. */
  readonly whole: Chain
  readonly matches: Matches
}

/** What the first look at a backup has found. */
export type Look = Holding & {
  /** The backup that is not removed, and that it builds on. */
  readonly after: string | undefined
}

/**
 * Finds what has to be written again and what goes, so that no artifact has a content that matches, or its signature.
 *
 * Reads every state three times at most, and of archives whose state is gone the headers.
 * Memory: that of `EraseSearch`, and the names of the key.
 *
 * @throws BackupError what a state that is not removed cannot be read for.
 */
export async function planErase({ chain, whole, matches }: EraseParts): Promise<ErasePlan> {
  const search = new EraseSearch(matches)
  const { looks, unknown } = await lookAtAll(search, chain, whole)
  const tainted = await findTainted({ chain, whole, search, looks })
  const planner = new Planner(chain, search, tainted)
  for (const [date, found] of looks) {
    if (planner.live.has(date)) await planner.add(date, found)
    else await planner.addRemoved(whole, date, found)
  }
  const { backups, purged } = planner
  const erasedBefore = [...looks.values()].reduce((sum, look) => sum + look.erasedBefore, 0)
  const isNeeded = backups.length + purged.length + tainted.size + erasedBefore > 0
  // Nobody knows what it has.
  if (isNeeded) for (const [date, error] of unknown) purged.push({ date, reason: `cannot be read: ${error.message}` })
  const sigvaults = chain.artifacts.filter(one => one.kind === 'sigvault' && tainted.has(artifactId(one)))
  return {
    ...{ key: chain.key, backups, purged, copies: search.copies, builtOn: search.builtOn, erasedBefore, isNeeded },
    sigvaults: sigvaults.map(toName),
    bodyBytes: backups.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0),
    readBytes: planner.readBytes,
    doomed: isNeeded ? planner.doomed() : []
  }
}

/** The first look at every backup, oldest first; the errors of removed ones that cannot be read. */
async function lookAtAll(search: EraseSearch, chain: Chain, whole: Chain) {
  const live = new Set(chain.backups.map(({ date }) => date))
  const looks = new Map<string, Look>()
  const unknown = new Map<string, BackupError>()
  for (const { date } of whole.backups) {
    const own = live.has(date) ? chain : whole
    try {
      const { header } = await own.ends(date)
      const links = header.chain.map(askedFor).filter(other => other !== date)
      const after = links.findLast(other => live.has(other))
      await own.needs(date)
      looks.set(date, { ...(await search.holding(own, date)), after })
    } catch (error) {
      chain.options.signal?.throwIfAborted()
      if (live.has(date) || !isBackupError(error)) throw error
      unknown.set(date, error)
    }
  }
  return { looks, unknown }
}

/** Decides about one backup after the other, oldest first. */
class Planner {
  readonly live: ReadonlySet<string>
  readonly backups: ErasedBackup[] = []
  readonly purged: PurgedBackup[] = []
  readonly #purgedStates = new Set<string>()
  readonly #read = new Map<string, number>()

  constructor(
    readonly chain: Chain,
    readonly search: EraseSearch,
    readonly tainted: ReadonlySet<string>
  ) {
    this.live = new Set(chain.backups.map(({ date }) => date))
  }

  get readBytes(): number {
    return [...this.#read.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  async add(date: string, { after, files, sizeBytes, hasUnread }: Look): Promise<void> {
    const { chain, search, tainted } = this
    const madeOf = await search.others(chain, date, after)
    const needed = await chain.needs(date)
    const isBehind = (found: string) => after === undefined || chain.asOf(found) > after
    const inGap = needed.some(one => one.kind !== 'sigvault' && tainted.has(artifactId(one)) && isBehind(one.date))
    const artifacts = chain.artifacts.filter(one => askedFor(one) === date)
    const isTouched = files + madeOf.files > 0 || inGap
    if (!isTouched && !(hasUnread && (await search.isInSome(chain, artifacts)))) return
    for (const { name, sizeBytes } of needed) this.#read.set(name, sizeBytes)
    const erasing: Erasing = { matches: search.matches, date, isLost: () => false }
    const bodyBytes = await countBytes(chain, await planMerge(chain, date, after), erasing)
    this.backups.push({
      ...{ date, kind: after === undefined ? 'full' : 'incremental', after, files, sizeBytes },
      bodyBytes: bodyBytes + madeOf.sizeBytes,
      storedBytes: artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    })
  }

  async addRemoved(whole: Chain, date: string, { after, files }: Look): Promise<void> {
    const madeOf = await this.search.others(whole, date, after)
    const needed = (await whole.needs(date)).filter(({ kind }) => kind !== 'sigvault')
    const isGone = (one: { readonly kind: Kind; readonly date: string }) =>
      one.kind === 'state' && this.#purgedStates.has(one.date)
    const before = this.purged.length
    if (files > 0) this.purged.push({ date, reason: 'has what is erased' })
    else if (madeOf.files > 0) this.purged.push({ date, reason: 'has contents that are made of what is erased' })
    else if (needed.some(one => this.tainted.has(artifactId(one)) || isGone(one))) {
      this.purged.push({ date, reason: 'needs an artifact that has what is erased' })
    }
    const { stateDate } = whole.backups.find(backup => backup.date === date)!
    if (this.purged.length > before) this.#purgedStates.add(stateDate)
  }

  doomed(): readonly StoredName[] {
    const written = new Set(this.backups.map(({ date }) => date))
    const gone = new Set(this.purged.map(({ date }) => date))
    const isDoomed = (one: StoredArtifact) =>
      this.tainted.has(artifactId(one)) || (one.kind !== 'sigvault' && written.has(askedFor(one)))
    const isSuperseded = (one: StoredArtifact) => this.chain.superseded.includes(one)
    // A copy of a state that is there, or that another one stands for, cannot come back.
    const isGone = (copy: RemovedBackup) => gone.has(askedFor(copy)) || this.live.has(askedFor(copy))
    const artifacts = this.chain.artifacts.filter(one => isDoomed(one) || isSuperseded(one))
    return [...artifacts, ...this.chain.removed.filter(isGone)].map(toName)
  }
}

function toName({ name, sizeBytes, retainedUntilMs }: StoredName): StoredName {
  return { name, sizeBytes, ...(retainedUntilMs !== undefined && { retainedUntilMs }) }
}
