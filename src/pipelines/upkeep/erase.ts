import { checkReadable, withCodec } from '../../codec/index.js'
import { BackupError } from '../../errors.js'
import { traceRun } from '../../flow/tracing.js'
import { formatDate } from '../../format/dates.js'
import { parseArtifactName, parseRemovedName } from '../../format/names.js'
import { parseVolumeName } from '../../format/volume-names.js'
import { listCertain } from '../../lifecycle/listing.js'
import { whileLocked } from '../../lifecycle/locked.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import { type LeftName, type Swept, sweep } from '../../lifecycle/sweep.js'
import { openPlaces, type Places } from '../../places/places.js'
import type { Matches } from '../../rewrite/erase-entries.js'
import { bodyId, findLostBodies } from '../../rewrite/lost-bodies.js'
import { type ErasedBackup, type ErasePlan, planErase } from '../../rewrite/plan-erase.js'
import { planMerge } from '../../rewrite/plan-merge.js'
import { createSelection } from '../../rules.js'
import { listStored } from '../../stores/backup-names.js'
import { pruneCache } from '../../stores/cached-store.js'
import { Chain } from '../../stores/chain.js'
import { deleteLeftovers } from '../../stores/leftovers.js'
import { type RemovedBackup, withRemoved } from '../../stores/removed.js'
import { describeRetained } from '../../stores/stored-name.js'
import type { Cipher, Codec, Reading, Store } from '../../types.js'
import { writingFor } from '../encrypted.js'
import { checkMounted } from '../mounted.js'
import type { Progress } from '../options.js'
import { checkSigner } from '../signed.js'
import { rewriteDate } from './rewrite-date.js'

/** Options of `eraseFiles`. */
export interface EraseOptions extends LockedOptions {
  /** Plan, and change nothing. */
  readonly dryRun?: boolean | undefined
  /** What is written again is written with it. Default: of each date, what its state was written with. */
  readonly codec?: Codec | undefined
  /** What is written again is encrypted with it. Default: if it was encrypted, the cipher that reads it. */
  readonly encrypt?: Cipher | undefined
  /** Where deltas and bases of large files are spooled, in files without a name. Default: the system's temporary directory. */
  readonly spoolDirectory?: string | undefined
  /** Called with the plan before anything is changed; if it throws, nothing is. */
  readonly onPlan?: ((plan: ErasePlan) => void) | undefined
  /** Called for every entry that has passed. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** What an erase has done, or with `dryRun` would do. */
export interface EraseReport {
  readonly key: string
  readonly plan: ErasePlan
  /** What the entries say; undefined if nothing was to be done. */
  readonly erased?: string | undefined
  /** Bytes of the artifacts that were written. */
  readonly storedBytes: number
  /** What was deleted; undefined if nothing was to be done. */
  readonly swept?: Swept | undefined
  /** What is still in the store, or in the cache, and may have what was to be erased: none, if all went well. */
  readonly left: readonly LeftName[]
}

/**
 * Erases the contents of files from all backups of a key: every backup that has one, and every one that is made of one,
 * is written again without it, and the old artifacts are deleted at once. In the new states the entries are there,
 * without content, size, digest and attributes, and say when they were erased. A content that an entry outside of the
 * patterns has stays: the plan names such paths. Removed backups that have it cannot come back.
 *
 * Holds the lock on the key. New artifacts come first, the newest backup before older ones; then the old states go, then
 * the old archives. Killed at any moment, every backup can be restored, with or without the contents; run again, it goes
 * on. Memory: that of a merge, and of `planErase`.
 *
 * @throws BackupError IBT_RETAINED before anything is changed, if the store has locked what has to go; IBT_LOCKED,
 * IBT_NO_BACKUP, IBT_STORE_EMPTY, and what a backup cannot be read for.
 * @throws TypeError, RangeError for patterns that `createSelection` does not take, or none.
 */
export function eraseFiles(key: string, patterns: readonly string[], options: EraseOptions = {}): Promise<EraseReport> {
  return traceRun({ operation: 'erase', key }, () => erase(key, patterns, options))
}

async function erase(key: string, patterns: readonly string[], options: EraseOptions): Promise<EraseReport> {
  const { signal, dryRun, onPlan } = options
  signal?.throwIfAborted()
  const selection = createSelection(patterns)
  if (patterns.length === 0) throw new RangeError('eraseFiles: no pattern is given')
  const matches = (path: string) => selection.selects(path, 'file')
  const places = openPlaces(options)
  await checkMounted(places, key, { signal })
  if (dryRun) {
    const { plan } = await makePlan(places, key, matches, options)
    onPlan?.(plan)
    return { key, plan, storedBytes: 0, left: [] }
  }
  return whileLocked(places, key, options, async check => {
    const { plan, chain, stored } = await makePlan(places, key, matches, options)
    checkSigner(stored, key, options)
    onPlan?.(plan)
    if (!plan.isNeeded) return { key, plan, storedBytes: 0, left: [] }
    checkUnlocked(plan)
    const run = new Erasure(places, matches, options, check)
    await deleteLeftovers(chain, places.cached, chain.leftovers, { signal })
    // No restore needs them.
    for (const { name } of plan.sigvaults) await run.delete(name)
    let storedBytes = 0
    for (const backup of plan.backups.toReversed()) storedBytes += await run.rewrite(key, backup)
    const swept = await run.sweep(plan)
    return { key, plan, erased: run.date, storedBytes, swept, left: await run.findLeft(plan, swept) }
  })
}

async function makePlan({ store, cached }: Places, key: string, matches: Matches, options: EraseOptions) {
  const { signal } = options
  const codecs = readingsOf(options)
  const stored = await listCertain(store, key, { signal, withRetention: true })
  const chain = await Chain.open(cached, key, { signal, codecs, stored })
  const view = withRemoved(cached, stored, chain.removed)
  const whole = await Chain.open(view.store, key, { signal, codecs, stored: view.stored })
  return { stored, chain, plan: await planErase({ chain, whole, matches }) }
}

/** What reads what is there, and what is going to be. */
function readingsOf({ codecs = [], codec, encrypt }: EraseOptions): readonly Reading[] {
  return withCodec(withCodec(codecs, codec), encrypt)
}

/** @throws BackupError IBT_RETAINED */
function checkUnlocked({ key, doomed }: ErasePlan): void {
  const locked = doomed.filter(({ retainedUntilMs = 0 }) => retainedUntilMs > Date.now())
  const [first] = locked
  if (first === undefined) return
  const others = locked.length === 1 ? '' : ` (and ${locked.length - 1} more of ${key})`
  const message = `${first.name} is ${describeRetained(first.retainedUntilMs!)}${others}: nothing is erased`
  throw new BackupError('IBT_RETAINED', message, { path: first.name })
}

/** One run. */
class Erasure {
  readonly date = formatDate(Date.now())

  constructor(
    readonly places: Places,
    readonly matches: Matches,
    readonly options: EraseOptions,
    readonly check: () => Promise<void>
  ) {}

  async delete(name: string): Promise<void> {
    await this.check()
    await this.places.cached.delete(name, { signal: this.options.signal })
  }

  /** Writes the artifacts of a backup again. Resolves to their bytes. */
  async rewrite(key: string, { date, after }: ErasedBackup): Promise<number> {
    const { signal, codec, encrypt } = this.options
    const codecs = readingsOf(this.options)
    const chain = await Chain.open(this.places.cached, key, { signal, codecs })
    const writing = writingFor(chain.codec(date), { codec, cipher: encrypt }, { key })
    await checkReadable(writing.codec, codecs, writing.cipher)
    const lost = after === undefined ? undefined : await findLostBodies(chain, after, this.matches)
    const erasing = {
      matches: this.matches,
      date: this.date,
      isLost: (body: Parameters<typeof bodyId>[0]) => lost?.has(bodyId(body)) === true
    }
    const plan = await planMerge(chain, date, after)
    const { artifacts } = await rewriteDate(chain, plan, { ...this.options, ...writing, erasing }, async () => {
      await this.check()
      return true
    })
    return artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** Deletes what nothing needs any more, without a period of grace; other removed backups can still come back. */
  async sweep({ key, doomed }: ErasePlan): Promise<Swept> {
    const { signal } = this.options
    const names = new Set(doomed.map(({ name }) => name))
    return sweep(this.places.store, key, {
      ...{ graceMs: Number.POSITIVE_INFINITY, nowMs: Date.now(), keepSigvaults: true, deletesYoung: true },
      ...{
        codecs: readingsOf(this.options),
        signal,
        check: this.check,
        purges: ({ name }: RemovedBackup) => names.has(name)
      }
    })
  }

  /** What is still there of what had to go, and what lies beside it; and a cache that could not be cleaned. */
  async findLeft({ key, doomed }: ErasePlan, { left }: Swept): Promise<readonly LeftName[]> {
    const stored = await listStored(this.places.store, `${key}.`, { signal: this.options.signal })
    const reasons = new Map(left.map(({ name, reason }) => [name, reason]))
    const ids = new Set(doomed.map(({ name }) => idOf(name)))
    const found = stored.filter(({ name }) => ids.has(idOf(name)))
    const those = found.map(one => ({ ...one, reason: reasons.get(one.name) ?? 'not deleted: it may be a copy' }))
    const there = new Set(stored.map(({ name }) => name))
    const { cache, localState } = this.places
    return [...those, ...(await cleanCopies(cache, key, there)), ...(await cleanCopies(localState, key, there))]
  }
}

/** Removes local copies of states and signatures that the store does not have any more. */
async function cleanCopies(
  copies: Store | undefined,
  key: string,
  there: ReadonlySet<string>
): Promise<readonly LeftName[]> {
  if (copies === undefined) return []
  try {
    await pruneCache(copies, key, name => there.has(name))
    return []
  } catch (error) {
    const [name = copies.id] = copies.places ?? []
    return [{ name, sizeBytes: 0, reason: `copies of states there could not be deleted: ${(error as Error).message}` }]
  }
}

/** What an artifact, a volume of it, a copy or the state of a removed backup is of; undefined for any other name. */
function idOf(name: string): string | undefined {
  const removed = parseRemovedName(name)
  if (removed !== undefined) return name
  const parsed = parseArtifactName(parseVolumeName(name)?.name ?? name)
  return parsed && `${parsed.kind} ${parsed.date}`
}
