import { GRACE_MS } from '../../constants.js'
import { traceRun } from '../../flow/tracing.js'
import { formatDate } from '../../format/dates.js'
import { listCertain } from '../../lifecycle/listing.js'
import { whileLocked } from '../../lifecycle/locked.js'
import { Needs } from '../../lifecycle/needs.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import { type PrunePlan, planPrune } from '../../lifecycle/plan.js'
import { type Swept, sweep } from '../../lifecycle/sweep.js'
import { openPlaces, type Places, placesOf } from '../../places/places.js'
import { type Kept, keptBackups } from '../../retention/evaluate.js'
import { type KeepOptions, parseRules, type Rule } from '../../retention/rules.js'
import { askedFor } from '../../stores/backup-names.js'
import { pruneCache } from '../../stores/cached-store.js'
import { Chain, type StoredArtifact } from '../../stores/chain.js'
import { removeState } from '../../stores/removed.js'
import { describeRetained, isRetained } from '../../stores/stored-name.js'
import type { Cipher, StoredName } from '../../types.js'
import { checkMounted } from '../mounted.js'
import { checkSigner } from '../signed.js'
import { mergeBackups } from './merge.js'

/** Options of `pruneBackups`. */
export interface PruneOptions extends LockedOptions, KeepOptions {
  /** Plan, and remove nothing. */
  readonly dryRun?: boolean | undefined
  /** Milliseconds in which a removed backup can come back. Default: `GRACE_MS`; 0: what nothing needs goes at once. */
  readonly graceMs?: number | undefined
  /** Leave the signatures that kept backups name. Default: those go that the newest backup does not name. */
  readonly keepSigvaults?: boolean | undefined
  /** First merge, so that nothing stays as data: kept backups then need only each other. */
  readonly merge?: boolean | undefined
  /** With `merge`: what merged artifacts are encrypted with, as in `mergeBackups`. */
  readonly encrypt?: Cipher | undefined
  /** Go on although a kept backup has lost an archive. */
  readonly allowMissing?: boolean | undefined
  /** Called with the plan before anything is removed, and again when merges have changed it; if it throws, nothing is. */
  readonly onPlan?: ((plan: PrunePlan) => void) | undefined
}

/** What a prune has done. */
export interface PruneReport {
  readonly key: string
  readonly plan: PrunePlan
  /** Dates that were removed; none in a dry run. */
  readonly removed: readonly string[]
  /** Dates that were to go, and whose state the store retains. */
  readonly locked: readonly string[]
  /** What was deleted of what nothing needs any more; undefined in a dry run. */
  readonly swept?: Swept | undefined
}

/**
 * Removes the backups of a key that no rule keeps, and never one that a kept backup needs to be restored: archives that
 * kept backups need stay. A removed backup can come back (`undeleteBackup`) for the time of `graceMs`; what nothing needs
 * any more is deleted then, by this function or `cleanBackups`.
 * Memory: the names of the key, and one reference for each artifact that each backup needs.
 *
 * @throws RangeError for rules that make no sense or keep nothing.
 * @throws BackupError IBT_LOCKED, IBT_NO_BACKUP, IBT_STORE_EMPTY; IBT_BASIS_MISSING if a kept backup has lost an archive;
 * what a state that is kept cannot be read for. Nothing has been removed then.
 */
export function pruneBackups(key: string, options: PruneOptions): Promise<PruneReport> {
  return traceRun({ operation: 'prune', key }, () => prune(key, options))
}

async function prune(key: string, options: PruneOptions): Promise<PruneReport> {
  const rules = parseRules(options)
  const places = openPlaces(options)
  const { signal, dryRun = false } = options
  signal?.throwIfAborted()
  await checkMounted(places, key, { signal })
  const needs = new Needs()
  if (dryRun) {
    const { plan } = await makePlan(places, key, rules, needs, options)
    options.onPlan?.(plan)
    return { key, plan, removed: [], locked: [] }
  }
  const isTold = options.merge && (await mergeFirst(places, key, rules, options))
  return whileLocked(places, key, options, async check => {
    const planned = await makePlan(places, key, rules, needs, options)
    const { plan, states, stored } = planned
    checkSigner(stored, key, options)
    if (!isTold) options.onPlan?.(plan)
    const [removed, locked, gone]: [string[], string[], string[]] = [[], [], []]
    const at = formatDate(Date.now())
    for (const { date, action } of plan.backups) {
      if (action === 'keep') continue
      let isLocked = false
      for (const state of states.get(date)!) {
        await check()
        // One that others stand for goes first: else it would show again.
        isLocked ||= !(await removeState(places.store, state, at, { signal }).then(() => true, ifRetained))
        if (isLocked) break
        gone.push(state.name)
      }
      ;(isLocked ? locked : removed).push(date)
    }
    const { graceMs = GRACE_MS, keepSigvaults, codecs } = options
    const limits = { graceMs, nowMs: Date.now(), keepSigvaults }
    const swept = await sweep(places.store, key, { ...limits, codecs, signal, needs, check })
    gone.push(...swept.deleted.map(({ name }) => name))
    await followInCache(places, key, stored, gone)
    return { key, plan, removed, locked, swept }
  })
}

/** Each merge holds the lock on the key by itself. Resolves to whether the plan that was told is still the plan. */
async function mergeFirst(
  places: Places,
  key: string,
  rules: readonly Rule[],
  options: PruneOptions
): Promise<boolean> {
  const { plan } = await makePlan(places, key, rules, new Needs(), options)
  options.onPlan?.(plan)
  const { encrypt, lockWaitMs, onError } = options
  const own = { ...placesOf(options), encrypt, lockWaitMs, onError }
  for (const merge of plan.merges) {
    await mergeBackups(key, { ...own, ...merge })
  }
  return plan.merges.length === 0
}

interface Planned {
  readonly plan: PrunePlan
  readonly stored: readonly StoredName[]
  readonly states: StatesByDate
}

/** The states of each date that can be asked for, the one that counts last. */
type StatesByDate = ReadonlyMap<string, readonly StoredArtifact[]>

async function makePlan(
  { store }: Places,
  key: string,
  rules: readonly Rule[],
  needs: Needs,
  options: PruneOptions
): Promise<Planned> {
  const { signal, codecs, keepSigvaults, allowMissing } = options
  const stored = await listCertain(store, key, { signal, withRetention: true })
  const chain = await Chain.open(store, key, { signal, codecs, stored })
  const states = statesByDate(chain)
  const kept = withLocked(keptBackups(chain.backups, rules, options), states)
  const known = await needs.of(chain, [...states.keys()])
  const plan = await planPrune({ chain, kept, needs: known, keepSigvaults, allowMissing })
  return { plan, stored, states }
}

function statesByDate({ artifacts, superseded, backups }: Chain): StatesByDate {
  const counting = artifacts.filter(({ kind, date }) => kind === 'state' && backups.some(one => one.stateDate === date))
  const states = [...superseded, ...counting.filter(state => !superseded.includes(state))]
  const found = new Map<string, StoredArtifact[]>()
  for (const state of states) found.set(askedFor(state), [...(found.get(askedFor(state)) ?? []), state])
  return found
}

/** A backup whose state the store retains is kept whatever the rules say. */
function withLocked(kept: Kept, states: StatesByDate): Kept {
  const all = new Map(kept)
  for (const [date, found] of states) {
    const retainedUntilMs = Math.max(...found.map(({ retainedUntilMs = 0 }) => retainedUntilMs))
    if (retainedUntilMs <= Date.now()) continue
    all.set(date, [...(all.get(date) ?? []), describeRetained(retainedUntilMs)])
  }
  return all
}

function ifRetained(error: unknown): false {
  if (isRetained(error)) return false
  throw error
}

/** A cache that fails is done without. */
export async function followInCache(
  { cache, localState }: Places,
  key: string,
  stored: readonly StoredName[],
  gone: readonly string[]
): Promise<void> {
  const there = new Set(stored.map(({ name }) => name))
  for (const name of gone) there.delete(name)
  // Of the local state, nothing goes because the store does not list it.
  for (const name of gone) await localState?.delete(name).catch(() => {})
  if (cache !== undefined) await pruneCache(cache, key, name => there.has(name)).catch(() => {})
}
