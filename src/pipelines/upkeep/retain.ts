import { BackupError } from '../../errors.js'
import { whileLocked } from '../../lifecycle/locked.js'
import { type ArtifactId, artifactId, Needs } from '../../lifecycle/needs.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import { parseAt } from '../../places/at.js'
import { openPlaces } from '../../places/places.js'
import { aboutMs, parseDuration } from '../../retention/duration.js'
import { keptBackups } from '../../retention/evaluate.js'
import { hasRules, type KeepOptions, parseRules } from '../../retention/rules.js'
import { askedFor, listStored } from '../../stores/backup-names.js'
import { Chain } from '../../stores/chain.js'
import type { StoredName } from '../../types.js'

/** Options of `retainBackups`. */
export interface RetainOptions extends LockedOptions, KeepOptions {
  /** A time to come: a `Date`, ISO, words, or a duration from now such as `30d`. */
  readonly until: Date | string
  /** The newest backup made at or before it. Default: those that the rules keep; without rules, all. */
  readonly at?: Date | string | undefined
  /** The backups that are locked already, for longer. */
  readonly extend?: boolean | undefined
  /** Say what would be locked. */
  readonly dryRun?: boolean | undefined
}

/** What was locked. */
export interface RetainReport {
  readonly key: string
  readonly untilMs: number
  /** Of the backups that can be restored until then, whatever happens in the store. */
  readonly dates: readonly string[]
  /** What they need, each artifact once. */
  readonly artifacts: readonly StoredName[]
  readonly sizeBytes: number
}

/**
 * Locks backups until a time: exactly the artifacts that a restore of them needs, archives first and then the states. A
 * longer time that was given before stays. How strong the lock is depends on the store: docs/stores.md.
 *
 * @throws TypeError if the store cannot retain names; RangeError for a time that is none or is over.
 * @throws BackupError IBT_NO_BACKUP; IBT_BASIS_MISSING if one of them has lost an archive: then nothing is locked.
 */
export async function retainBackups(key: string, options: RetainOptions): Promise<RetainReport> {
  const { signal, codecs, dryRun = false } = options
  const untilMs = await parseUntil(options.until)
  const places = openPlaces(options)
  const { store } = places
  if (store.retain === undefined) throw new TypeError(`The store ${store.id} cannot lock artifacts: it has no 'retain'`)
  const plan = async () => {
    const stored = await listStored(store, `${key}.`, { signal, withRetention: true })
    const chain = await Chain.open(store, key, { signal, codecs, stored })
    const dates = await chooseDates(chain, options)
    const artifacts = await findArtifacts(chain, dates)
    return { key, untilMs, dates, artifacts, sizeBytes: artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }
  }
  if (dryRun) return plan()
  return whileLocked(places, key, options, async check => {
    const report = await plan()
    for (const { name, retainedUntilMs = 0 } of report.artifacts) {
      if (retainedUntilMs >= untilMs) continue
      await check()
      await store.retain!(name, untilMs, { signal })
    }
    return report
  })
}

async function parseUntil(until: Date | string): Promise<number> {
  const duration = typeof until === 'string' ? parseDuration(until) : undefined
  const untilMs = duration === undefined ? await parseAt(until) : Math.round(Date.now() + aboutMs(duration))
  if (untilMs !== undefined && untilMs > Date.now()) return untilMs
  throw new RangeError(`'${until}' is not a time to come: give a date, or a duration such as 30d`)
}

async function chooseDates(chain: Chain, options: RetainOptions): Promise<readonly string[]> {
  const { at, extend = false } = options
  const isRuled = hasRules(options)
  if (Number(at !== undefined) + Number(isRuled) + Number(extend) > 1) {
    throw new RangeError('Say which backups in one way: by a date, by rules, or those that are locked')
  }
  const newest = chain.at(await parseAt(at)).date
  if (at !== undefined) return [newest]
  if (isRuled) return [...keptBackups(chain.backups, parseRules(options), options).keys()]
  if (!extend) return chain.backups.map(({ date }) => date)
  const now = Date.now()
  const states = chain.artifacts.filter(({ kind, retainedUntilMs = 0 }) => kind === 'state' && retainedUntilMs > now)
  const dates = [...new Set(states.map(askedFor))].sort()
  if (dates.length > 0) return dates
  throw new BackupError('IBT_NO_BACKUP', `No backup of ${chain.key} is locked: ibt lock locks some`, {
    path: chain.key
  })
}

/** What a restore of these dates needs, the states last. */
async function findArtifacts(chain: Chain, dates: readonly string[]): Promise<readonly StoredName[]> {
  const wanted = new Map<ArtifactId, string>()
  for (const [date, found] of await new Needs().of(chain, dates)) {
    if (found.error !== undefined) throw found.error
    for (const id of found.restore) wanted.set(id, date)
  }
  const artifacts = chain.artifacts.filter(artifact => wanted.delete(artifactId(artifact)))
  for (const [lost, date] of wanted) {
    const message = `The backup of ${chain.key} of ${date} has lost its ${lost.replace(' ', ' of ')}: nothing is locked`
    throw new BackupError('IBT_BASIS_MISSING', message, { path: chain.key })
  }
  const isState = ({ kind }: { readonly kind: string }) => Number(kind === 'state')
  return artifacts
    .sort((a, b) => isState(a) - isState(b))
    .map(({ name, sizeBytes, retainedUntilMs }) => ({
      ...{ name, sizeBytes },
      ...(retainedUntilMs !== undefined && { retainedUntilMs })
    }))
}
