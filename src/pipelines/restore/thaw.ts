import { parseAt } from '../../places/at.js'
import type { AtOptions } from '../../places/options.js'
import { openPlaces } from '../../places/places.js'
import { restoreCost } from '../../plan/restore-cost.js'
import { createSelection } from '../../rules.js'
import { Chain } from '../../stores/chain.js'
import type { StoredName } from '../../types.js'

/** Options of `thawBackup`. */
export interface ThawOptions extends AtOptions {
  /** Patterns of what will be restored, as those of `restoreBackup`. Default: everything. */
  readonly paths?: readonly string[] | undefined
}

/** What is being thawed. */
export interface ThawReport {
  readonly key: string
  readonly date: string
  /** Archives that were asked for now. */
  readonly asked: readonly StoredName[]
  /** Archives that were asked for before, and cannot be read yet. */
  readonly thawing: readonly StoredName[]
  /** Of both. */
  readonly sizeBytes: number
}

/**
 * Asks the store to make the archives readable that a restore needs and that are in a cold storage class. It resolves when
 * they have been asked for, which is long before they can be read: then it finds none any more. No content is read.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_BASIS_MISSING, and what reading a state throws. TypeError if the store cannot thaw.
 */
export async function thawBackup(key: string, options: ThawOptions = {}): Promise<ThawReport> {
  const { at, paths, codecs, signal } = options
  const { store, cached } = openPlaces(options)
  const chain = await Chain.open(cached, key, { codecs, signal })
  const { date } = chain.at(await parseAt(at))
  const { archives } = await restoreCost(chain, date, { selection: paths && createSelection(paths) })
  const cold = (wanted: StoredName['cold']) =>
    archives.filter(({ cold }) => cold === wanted).map(({ name, sizeBytes }) => ({ name, sizeBytes }))
  const [asked, thawing] = [cold('frozen'), cold('thawing')]
  if (asked.length > 0 && store.thaw === undefined)
    throw new TypeError(`The store ${store.id} cannot thaw artifacts: it has no 'thaw'`)
  for (const { name } of asked) await store.thaw?.(name, { signal })
  return { key, date, asked, thawing, sizeBytes: [...asked, ...thawing].reduce((sum, one) => sum + one.sizeBytes, 0) }
}
