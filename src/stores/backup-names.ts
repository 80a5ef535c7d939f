import { BackupError } from '../errors.js'
import { abortable } from '../flow/abortable.js'
import { parseDate } from '../format/dates.js'
import type { Kind, ListingOptions, Store, StoredName } from '../types.js'
import type { StoredArtifact } from './artifacts.js'
import type { RemovedBackup } from './removed.js'
import type { StoredSegment } from './segments.js'

/** A backup of a chain that has its state: one that is complete. */
export interface StoredBackup {
  readonly date: string
  readonly kind: 'full' | 'incremental'
  /** Of all artifacts of its date. */
  readonly sizeBytes: number
  /** The date in the name of its state: another one if the backup was merged. */
  readonly stateDate: string
}

/** What a store has of a key, by its names. */
export interface NamesOfKey {
  readonly key: string
  readonly artifacts: readonly StoredArtifact[]
  /** Backups that were removed and whose states are still there, under other names. */
  readonly removed: readonly RemovedBackup[]
  /** Segments of merges that are not finished, or whose record has not been deleted yet. */
  readonly segments: readonly StoredSegment[]
}

/**
 * The backups of a key as the names in a store tell of them, oldest first: one for each date that can be asked for, whether
 * it was merged or not. Memory: the names of one key.
 */
export class BackupNames implements NamesOfKey {
  readonly key: string
  readonly artifacts: readonly StoredArtifact[]
  readonly removed: readonly RemovedBackup[]
  readonly segments: readonly StoredSegment[]
  readonly backups: readonly StoredBackup[]
  readonly #stored: ReadonlyMap<string, StoredArtifact>
  /** The state of each date that can be asked for. */
  readonly #states = new Map<string, StoredArtifact>()
  readonly #asOf = new Map<string, string>()

  constructor({ key, artifacts, removed, segments }: NamesOfKey) {
    this.key = key
    this.artifacts = artifacts
    this.removed = removed
    this.segments = segments
    this.#stored = new Map(artifacts.map(artifact => [`${artifact.kind} ${artifact.date}`, artifact]))
    for (const state of artifacts) {
      if (state.kind !== 'state') continue
      const other = this.#states.get(askedFor(state))
      if (other === undefined || isLater(state, other)) this.#states.set(askedFor(state), state)
    }
    const sizes = new Map<string, number>()
    for (const artifact of artifacts) {
      const date = askedFor(artifact)
      sizes.set(date, (sizes.get(date) ?? 0) + artifact.sizeBytes)
      if (artifact.asOf !== undefined) this.#asOf.set(artifact.date, artifact.asOf)
    }
    this.backups = [...this.#states.keys()].sort().map(date => {
      const stateDate = this.#states.get(date)!.date
      return {
        date,
        kind: this.has(stateDate, 'full') ? 'full' : 'incremental',
        sizeBytes: sizes.get(date)!,
        stateDate
      }
    })
  }

  /** The newest backup that is complete. */
  get newest(): StoredBackup | undefined {
    return this.backups.at(-1)
  }

  /** The newest backup made at or before `atMs`. @throws BackupError IBT_NO_BACKUP */
  at(atMs = Infinity): StoredBackup {
    const found = this.backups.findLast(({ date }) => parseDate(date) <= atMs)
    if (found !== undefined) return found
    const { key, backups } = this
    const oldest = backups[0] === undefined ? 'there are none' : `the oldest is of ${backups[0].date}`
    const wanted =
      atMs === Infinity
        ? `No backup of ${key}`
        : `No backup of ${key} made at or before ${new Date(atMs).toISOString()}`
    throw new BackupError('IBT_NO_BACKUP', `${wanted}: ${oldest}`, { path: key })
  }

  /** The newest date in the name of a state that is there, or was: one that was removed may come back. */
  get newestDate(): string | undefined {
    return newestOf([...this.artifacts.filter(({ kind }) => kind === 'state'), ...this.removed])
  }

  /** The newest date that is taken: by a state, or by a segment of a merge that may go on. */
  get lastDate(): string | undefined {
    return newestOf([...this.artifacts.filter(({ kind }) => kind === 'state'), ...this.removed, ...this.segments])
  }

  /** What an interrupted run left: artifacts younger than the newest state. Finished segments of a merge are none. */
  get leftovers(): readonly StoredArtifact[] {
    const newest = this.newestDate ?? ''
    const segments = new Set(this.segments.map(({ date }) => date))
    return this.artifacts.filter(({ date }) => date > newest && !segments.has(date))
  }

  /** What earlier merges have left over: states that another one stands for by now. No date needs them. */
  get superseded(): readonly StoredArtifact[] {
    return this.artifacts.filter(state => state.kind === 'state' && this.#states.get(askedFor(state)) !== state)
  }

  /** The date that a date in the name of an artifact stands for: by it, places are ordered. */
  asOf(date: string): string {
    return this.#asOf.get(date) ?? date
  }

  /** The state of a date that is asked for; undefined if there is none. */
  protected stateAsked(date: string): StoredArtifact | undefined {
    return this.#states.get(date)
  }

  /** The state of a date that is asked for, or of the date in its own name. @throws BackupError IBT_BASIS_MISSING */
  protected stateOf(date: string): StoredArtifact {
    return this.#states.get(date) ?? this.find(date, 'state')
  }

  /** Whether the store has an artifact. */
  has(date: string, kind: Kind): boolean {
    return this.#stored.has(`${kind} ${date}`)
  }

  /** @throws BackupError IBT_BASIS_MISSING */
  protected find(date: string, kind: Kind): StoredArtifact {
    const found = this.#stored.get(`${kind} ${date}`)
    if (found !== undefined) return found
    const message = `The ${kind} of ${date} of ${this.key} is not in the store`
    throw new BackupError('IBT_BASIS_MISSING', message, { path: `${this.key}.${kind}.${date}` })
  }
}

/** The date that users ask for. */
export function askedFor({ date, asOf = date }: Pick<StoredArtifact, 'date' | 'asOf'>): string {
  return asOf
}

/** Of two states of one date that can be asked for, the one that was merged last counts. */
function isLater(a: StoredArtifact, b: StoredArtifact): boolean {
  if (a.asOf === undefined || b.asOf === undefined) return a.asOf !== undefined
  return a.date > b.date
}

/** The names of a store that begin with a prefix. Memory: all of them. @throws what the store throws */
export async function listStored(store: Store, prefix?: string, options: ListingOptions = {}): Promise<StoredName[]> {
  const stored: StoredName[] = []
  for await (const found of abortable(store.list(prefix, options), options.signal)) stored.push(found)
  return stored
}

function newestOf(dated: readonly { readonly date: string }[]): string | undefined {
  return dated.reduce<string | undefined>(
    (newest, { date }) => (newest === undefined || date > newest ? date : newest),
    undefined
  )
}
