import { Largest } from '../change/largest.js'
import { type BackupError, isBackupError } from '../errors.js'
import type { PlaceOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import type { StoredBackup } from '../stores/backup-names.js'
import { Chain, type NeededArtifact } from '../stores/chain.js'
import type { StateClosing, StateEntry } from '../types.js'
import { chainBase } from './chain-base.js'
import { type RestoreCost, restoreCost } from './restore-cost.js'

/** The backups of one day, UTC. */
export interface DayStats {
  /** `YYYY-MM-DD` */
  readonly day: string
  readonly backups: number
  readonly fulls: number
  /** Of the artifacts of the day in the store. */
  readonly storedBytes: number
  /** Of the newest backup of the day that can be read. */
  readonly newest?: DayNewest | undefined
  /** Backups whose state cannot be read. */
  readonly unreadable: number
}

/** What the state of a backup says at both ends. */
export interface DayNewest {
  readonly date: string
  readonly files: number
  /** Of the contents. */
  readonly sourceBytes: number
  /** Incrementals on the full that the backup builds on. */
  readonly increments: number
  /** What a restore opens, and what it reads at most: all of them. */
  readonly archives: number
  readonly archiveBytes: number
}

/** A file of which incrementals of the newest chain have stored bytes that the newest backup needs. */
export interface LargeChange {
  readonly path: string
  readonly sizeBytes: number
  /** Before compression. */
  readonly storedBytes: number
  readonly deltas: number
}

/** What the days add up to. */
export interface KeyStats {
  readonly key: string
  readonly days: number
  readonly backups: number
  readonly fulls: number
  readonly storedBytes: number
  /** What a restore of the newest backup reads. */
  readonly restore?: RestoreCost | undefined
  /** The `LARGEST_FILES` of these files with the most bytes, the largest first. */
  readonly largest: readonly LargeChange[]
  /** Why a restore of the newest backup cannot be planned. */
  readonly error?: BackupError | undefined
}

/**
 * What a key has stored day by day, oldest first, and returns what that adds up to. Reads both ends of every state, the
 * newest state whole, and the seek tables that a restore of it needs. Memory: that of `planRestore`.
 *
 * @throws BackupError IBT_NO_BACKUP, and what the store throws; an error of one backup costs its figures alone.
 */
export async function* backupStats(
  key: string,
  options: PlaceOptions = {}
): AsyncGenerator<DayStats, KeyStats, undefined> {
  const { codecs, signal } = options
  const places = openPlaces(options)
  const chain = await Chain.open(places.peeked, key, { codecs, signal })
  const newest = chain.at()
  const sums = { days: 0, backups: 0, fulls: 0, storedBytes: 0 }
  for (const backups of byDay(chain.backups)) {
    const day = await statsOf(chain, backups)
    sums.days++
    sums.backups += day.backups
    sums.fulls += day.fulls
    sums.storedBytes += day.storedBytes
    yield day
  }
  const largest = new Largest<LargeChange>()
  const onFile = (entry: StateEntry) => {
    const change = toChange(entry)
    if (change.storedBytes > largest.minBytes) largest.add(change)
  }
  const cached = await Chain.open(places.cached, key, { codecs, signal })
  const found = await restoreCost(cached, newest.date, { onFile }).then(restore => ({ restore }), asError)
  return { key, ...sums, ...found, largest: largest.files }
}

function asError(error: unknown): { readonly error: BackupError } {
  if (!isBackupError(error)) throw error
  return { error }
}

function* byDay(backups: readonly StoredBackup[]): Generator<readonly StoredBackup[], void, undefined> {
  let day: StoredBackup[] = []
  for (const backup of backups) {
    if (day.length > 0 && dayOf(day[0]!) !== dayOf(backup)) {
      yield day
      day = []
    }
    day.push(backup)
  }
  if (day.length > 0) yield day
}

function dayOf({ date }: StoredBackup): string {
  return `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6, 8)}`
}

async function statsOf(chain: Chain, backups: readonly StoredBackup[]): Promise<DayStats> {
  let [fulls, unreadable, storedBytes] = [0, 0, 0]
  let newest: DayNewest | undefined
  for (const backup of backups) {
    storedBytes += backup.sizeBytes
    try {
      const { date } = backup
      const { header, closing } = await chain.ends(date)
      if (header.kind === 'full') fulls++
      const { increments } = await chainBase(chain, date)
      newest = { date, increments, ...sizesOf(closing, await chain.needs(date)) }
    } catch (error) {
      chain.options.signal?.throwIfAborted()
      if (!isBackupError(error)) throw error
      unreadable++
    }
  }
  return { day: dayOf(backups[0]!), backups: backups.length, fulls, storedBytes, newest, unreadable }
}

function sizesOf({ totals }: StateClosing, needed: readonly NeededArtifact[]) {
  const archives = needed.filter(({ kind }) => kind !== 'sigvault' && kind !== 'state')
  return {
    files: totals.files,
    sourceBytes: totals.sizeBytes,
    archives: archives.length,
    archiveBytes: archives.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }
}

function toChange({ path, sizeBytes = 0, places = [] }: StateEntry): LargeChange {
  const bodies = places.filter(place => place.in !== 'full')
  const storedBytes = bodies.reduce((sum, place) => sum + (place.sizeBytes ?? sizeBytes), 0)
  return { path, sizeBytes, storedBytes, deltas: bodies.filter(place => place.in === 'updated').length }
}
