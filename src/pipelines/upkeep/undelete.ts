import { BackupError } from '../../errors.js'
import { parseDate } from '../../format/dates.js'
import { listCertain } from '../../lifecycle/listing.js'
import { whileLocked } from '../../lifecycle/locked.js'
import { artifactId, Needs } from '../../lifecycle/needs.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import { parseAt } from '../../places/at.js'
import type { PlaceOptions } from '../../places/options.js'
import { openPlaces } from '../../places/places.js'
import { askedFor } from '../../stores/backup-names.js'
import { Chain } from '../../stores/chain.js'
import { type RemovedBackup, restoreState, withRemoved } from '../../stores/removed.js'
import { checkSigner } from '../signed.js'

/** Options of `undeleteBackup`. */
export interface UndeleteOptions extends LockedOptions {
  /** The newest removed backup that was made at or before it: a `Date`, ISO, a date of a backup, or words. */
  readonly at: Date | string
}

/** What came back. */
export interface UndeleteReport {
  readonly key: string
  readonly date: string
  /** Other dates that came back, because it cannot be read without their states: merged ones. */
  readonly also: readonly string[]
}

/** The removed backups of a key that may come back, oldest first, each once. */
export async function listRemoved(key: string, options: PlaceOptions = {}): Promise<readonly RemovedBackup[]> {
  const { signal, codecs } = options
  const chain = await Chain.open(openPlaces(options).store, key, { signal, codecs })
  return [...new Map(goneOf(chain).map(removed => [removed.date, removed])).values()]
}

/**
 * Brings a removed backup back, its state byte for byte, after the merged ones that it cannot be read without. Signatures that were deleted since do not come back: no restore
 * needs them.
 *
 * @throws BackupError IBT_NO_BACKUP if no such backup was removed, IBT_BASIS_MISSING if an archive of it is gone, IBT_LOCKED.
 */
export async function undeleteBackup(key: string, options: UndeleteOptions): Promise<UndeleteReport> {
  const { signal, codecs } = options
  const atMs = (await parseAt(options.at)) ?? Infinity
  const places = openPlaces(options)
  return whileLocked(places, key, options, async check => {
    const { store } = places
    const stored = await listCertain(store, key, { signal })
    checkSigner(stored, key, options)
    const chain = await Chain.open(store, key, { signal, codecs, stored })
    const date = chooseRemoved(chain, atMs)
    const view = withRemoved(store, stored, chain.removed)
    const whole = await Chain.open(view.store, key, { signal, codecs, stored: view.stored })
    const states = await checkWhole(whole, date)
    const back = states
      .map(state => chain.removed.filter(copy => copy.date === state))
      .filter(({ length }) => length > 0)
    // Its own comes last.
    for (const copies of back) {
      await check()
      await restoreState(store, copies, { signal })
    }
    const dates = new Set(back.map(([copy]) => askedFor(copy!)))
    dates.delete(date)
    return { key, date, also: [...dates].sort() }
  })
}

/** The removed backups that are not there, by the dates that users ask for, oldest first. */
function goneOf({ removed, backups }: Chain): readonly RemovedBackup[] {
  const live = new Set(backups.map(({ date }) => date))
  const gone = removed.map(copy => ({ ...copy, date: askedFor(copy) })).filter(({ date }) => !live.has(date))
  return gone.sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : a.removedAtMs - b.removedAtMs))
}

/** The date of the removed backup that was asked for. */
function chooseRemoved(chain: Chain, atMs: number): string {
  const gone = goneOf(chain)
  const found = gone.findLast(({ date }) => parseDate(date) <= atMs)
  if (found !== undefined) return found.date
  const dates = [...new Set(gone.map(({ date }) => date))]
  const there = dates.length === 0 ? 'there are none' : `there are those of ${dates.join(', ')}`
  throw new BackupError('IBT_NO_BACKUP', `No removed backup of ${chain.key} made at or before that time: ${there}`, {
    path: chain.key
  })
}

/** The dates in the names of the states that a backup needs, its own last. */
async function checkWhole(chain: Chain, date: string): Promise<readonly string[]> {
  const found = (await new Needs().of(chain, [date])).get(date)!
  if (found.error !== undefined) throw found.error
  const stored = new Set(chain.artifacts.map(artifactId))
  const lost = found.restore.find(id => !stored.has(id))
  const states = found.restore.filter(id => id.startsWith('state ')).map(id => id.slice('state '.length))
  if (lost === undefined) return states.reverse()
  const message = `The backup of ${chain.key} of ${date} cannot come back: its ${lost.replace(' ', ' of ')} is gone`
  throw new BackupError('IBT_BASIS_MISSING', message, { path: chain.key })
}
