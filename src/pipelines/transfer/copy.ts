import { createHash } from 'node:crypto'
import { BackupError } from '../../errors.js'
import { onAbort } from '../../flow/on-abort.js'
import { traceRun } from '../../flow/tracing.js'
import { whileLocked } from '../../lifecycle/locked.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import { parseAt } from '../../places/at.js'
import { openPlaces } from '../../places/places.js'
import { listStored } from '../../stores/backup-names.js'
import { Chain, type NeededArtifact } from '../../stores/chain.js'
import { hashStored } from '../../stores/hash-stored.js'
import type { Store, StoredName } from '../../types.js'
import { checkNames } from '../check-names.js'
import type { Progress } from '../options.js'
import { type CopiedManifest, planManifest } from './copy-manifest.js'
import { checkStored, neededBy, TransferCounter } from './transfer.js'

/** Artifacts that are copied at a time. */
const COPIES_AT_ONCE = 4

/** Options of `copyBackups`. */
export interface CopyOptions extends LockedOptions {
  /** The store that the backups are copied into: a store, a URL, or the path of a directory. */
  readonly to: Store | string
  /** Of each time, the newest backup made at or before it: a `Date`, ISO, or words. Default: every backup of the key. */
  readonly at?: Date | string | readonly (Date | string)[] | undefined
  /** Reads what the other store has already, and compares its digests. Default: names, sizes, and one state of each chain. */
  readonly checksum?: boolean | undefined
  /** Says what would be copied, and copies nothing. */
  readonly dryRun?: boolean | undefined
  /** Called as bytes are copied. An entry is an artifact. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** What a copy has done, or in a dry run would do. */
export interface CopyReport {
  readonly key: string
  /** Of the backups whose state was copied. */
  readonly dates: readonly string[]
  /** Artifacts that were copied, and their bytes. */
  readonly artifacts: number
  readonly sizeBytes: number
  /** Artifacts that the other store had already. */
  readonly skippedArtifacts: number
  /** False if the backups are signed where they come from, and the copies are not. */
  readonly isSigned: boolean
}

/**
 * Copies backups of a key into another store, under the lock on the key there: oldest first, and each state behind all
 * that it needs, so that the other store is a correct one at every moment. What is there already is not copied again: a
 * copy that was cut off or killed goes on with the artifact at which it stopped. The SHA-256 of each artifact is checked
 * on the way, that of a state where a later state builds on it. Nothing in either store is deleted or replaced; removed
 * backups, records of what was proven and bundles that are on their way in are not copied. The manifest of signed backups
 * comes along where it is true of the other store, which then has all of them; an older copy of it goes. With `signKey`,
 * the other store gets a manifest of its own, and what it has has to be signed.
 * Memory: one chunk for each of four artifacts, and the names of the stores.
 *
 * @throws BackupError IBT_NO_BACKUP; IBT_BASIS_MISSING if a backup has lost an artifact; IBT_NAME_TAKEN if the other store
 * has other bytes under a name; IBT_SIGN_KEY_MISSING if it is signed, and the copies would not be; IBT_HASH_MISMATCH, IBT_LOCKED, and what the stores throw.
 * @throws RangeError if the two stores are one
 */
export function copyBackups(key: string, options: CopyOptions): Promise<CopyReport> {
  return traceRun({ operation: 'copy', key }, () => copy(key, options))
}

async function copy(key: string, options: CopyOptions): Promise<CopyReport> {
  const { signal, codecs, dryRun = false } = options
  const { store, peeked } = openPlaces(options)
  // The copies are signed if a key is given: a manifest says what one store has.
  const { cache, signKey } = options
  const target = openPlaces({ store: options.to, cache, signKey, signal }).store
  if (target.id === store.id) throw new RangeError('copy: the two stores are one')
  const stored = await listStored(store, `${key}.`, { signal })
  const chain = await Chain.open(peeked, key, { signal, codecs, stored })
  const dates = await chooseDates(chain, options.at)
  const artifacts = await neededBy(chain, dates)
  checkStored(artifacts, stored)
  const copying = new Copying(chain, store, target, artifacts, options)
  const plan = async () => {
    const there = await listStored(target, undefined, { signal })
    checkNames(there, key)
    const missing = await copying.plan(there)
    const manifest = await planManifest(key, { store, stored }, { store: target, stored: there }, missing, options)
    return { missing, manifest, report: copying.report(missing, manifest) }
  }
  if (dryRun) return (await plan()).report
  return whileLocked({ store: target }, key, options, async check => {
    const { missing, manifest, report } = await plan()
    await copying.run(missing, check)
    await check()
    await manifest.put()
    return report
  })
}

async function chooseDates(chain: Chain, at: CopyOptions['at']): Promise<readonly string[]> {
  const times = at === undefined ? [] : [at].flat()
  const chosen = new Set<string>()
  for (const time of times) chosen.add(chain.at(await parseAt(time)).date)
  if (times.length === 0) chain.at()
  return chain.backups.map(({ date }) => date).filter(date => times.length === 0 || chosen.has(date))
}

/** One copy of a key. */
class Copying {
  /** SHA-256 of states that other states build on, by the date in their names. */
  readonly #links = new Map<string, string>()

  constructor(
    readonly chain: Chain,
    readonly from: Store,
    readonly to: Store,
    readonly artifacts: readonly NeededArtifact[],
    readonly options: CopyOptions
  ) {}

  report(missing: readonly NeededArtifact[], { isSigned }: CopiedManifest): CopyReport {
    const states = missing.filter(({ kind }) => kind === 'state')
    return {
      key: this.chain.key,
      dates: states.map(({ date }) => this.chain.asOf(date)),
      artifacts: missing.length,
      sizeBytes: missing.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
      skippedArtifacts: this.artifacts.length - missing.length,
      isSigned
    }
  }

  /** What the other store does not have. @throws BackupError IBT_NAME_TAKEN */
  async plan(there: readonly StoredName[]): Promise<NeededArtifact[]> {
    const sizes = new Map(there.map(({ name, sizeBytes }) => [name, sizeBytes]))
    for (const { name, sizeBytes } of this.artifacts) {
      const found = sizes.get(name)
      if (found !== undefined && found !== sizeBytes) throw taken(name, this.to)
    }
    const common = this.artifacts.filter(({ name }) => sizes.has(name))
    await this.#compare(common)
    return this.artifacts.filter(({ name }) => !sizes.has(name))
  }

  /** From the newest on, so that a state which a compared one builds on need not be read. */
  async #compare(common: readonly NeededArtifact[]): Promise<void> {
    const { checksum = false } = this.options
    const states = this.artifacts.filter(({ kind }) => kind === 'state')
    const names = new Set(common.map(({ name }) => name))
    const compared = new Set<string>()
    for (const { name, date } of states.toReversed()) {
      const { header } = await this.chain.ends(date)
      for (const { date, stateSha256 } of header.chain) {
        if (stateSha256 !== undefined) this.#links.set(date, stateSha256)
      }
      if (!names.has(name) || (compared.has(date) && !checksum)) continue
      const digest = this.#links.get(date) ?? (await this.#digest(this.from, name))
      if (digest !== (await this.#digest(this.to, name))) throw taken(name, this.to)
      for (const link of header.chain) compared.add(link.date)
    }
    if (!checksum) return
    for (const { name, sha256 } of common) {
      if (sha256 !== undefined && sha256 !== (await this.#digest(this.to, name))) throw taken(name, this.to)
    }
  }

  async #digest(store: Store, name: string): Promise<string> {
    return (await hashStored(store, name, { signal: this.options.signal })).sha256
  }

  /** The artifacts up to each state at the same time, and then the state. */
  async run(missing: readonly NeededArtifact[], check: () => Promise<void>): Promise<void> {
    const { signal, onProgress } = this.options
    const sizeBytes = missing.reduce((total, artifact) => total + artifact.sizeBytes, 0)
    const count = new TransferCounter(missing.length, sizeBytes, onProgress)
    let waiting: NeededArtifact[] = []
    for (const artifact of missing) {
      if (artifact.kind !== 'state') {
        waiting.push(artifact)
        continue
      }
      await eachAtOnce(waiting, (one, signal) => this.#copy(one, count, signal), signal)
      waiting = []
      await check()
      await this.#copy(artifact, count, signal)
    }
    // The state of these was there without them.
    await eachAtOnce(waiting, (one, signal) => this.#copy(one, count, signal), signal)
  }

  async #copy(artifact: NeededArtifact, count: TransferCounter, signal: AbortSignal | undefined): Promise<void> {
    const { name } = artifact
    const bytes = count.pass(name, this.from.get(name, undefined, { signal }))
    await this.to.put(name, this.#proven(artifact, bytes), { signal })
    count.artifacts++
  }

  /** If the last chunk proves wrong, nothing is published. */
  async *#proven(artifact: NeededArtifact, source: AsyncIterable<Uint8Array>) {
    const { name, kind, date, sizeBytes } = artifact
    const expected = artifact.sha256 ?? (kind === 'state' ? this.#links.get(date) : undefined)
    const hash = createHash('sha256')
    let found = 0
    for await (const bytes of source) {
      hash.update(bytes)
      found += bytes.length
      yield bytes
    }
    const sha256 = hash.digest('hex')
    if (found === sizeBytes && (expected ?? sha256) === sha256) return
    const message = `${name} has ${found} bytes with the SHA-256 ${sha256}, not ${sizeBytes} with ${expected}`
    throw new BackupError('IBT_HASH_MISMATCH', message, { path: name })
  }
}

function taken(name: string, { id }: Store): BackupError {
  const message = `${id} has another artifact of the name ${name}: it was not replaced`
  return new BackupError('IBT_NAME_TAKEN', message, { path: name })
}

/** Works on some at a time; the first failure ends the others, and is thrown when they have ended. */
async function eachAtOnce<T>(
  items: readonly T[],
  work: (item: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal | undefined
): Promise<void> {
  const stop = new AbortController()
  const stopListening = onAbort(signal, reason => stop.abort(reason))
  const queue = items.values()
  const worker = async () => {
    for (const item of queue) {
      stop.signal.throwIfAborted()
      await work(item, stop.signal)
    }
  }
  try {
    const workers = Array.from({ length: COPIES_AT_ONCE }, () =>
      worker().catch(error => {
        stop.abort(error)
        throw error
      })
    )
    await Promise.allSettled(workers)
    if (stop.signal.aborted) throw stop.signal.reason
  } finally {
    stopListening()
  }
}
