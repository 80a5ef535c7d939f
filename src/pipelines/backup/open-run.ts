import { checkReadable, defaultCodec, withCodec } from '../../codec/index.js'
import { BackupError } from '../../errors.js'
import { artifactName } from '../../format/names.js'
import { openPlaces, type Places, placesInside } from '../../places/places.js'
import { checkLimits, type Level } from '../../plan/level.js'
import { addParents } from '../../stages/add-parents.js'
import type { Published } from '../../stages/publish.js'
import { listStored } from '../../stores/backup-names.js'
import { Chain } from '../../stores/chain.js'
import { isThere } from '../../stores/leftovers.js'
import { acquireLock, type Lock, releaseLock } from '../../stores/lock.js'
import { nullStore } from '../../stores/null-store.js'
import type { Cipher, Codec, Reading, StageContext, Store, StoreOptions } from '../../types.js'
import { type BackupSettings, chooseDate, makeHeader, nameSource, type Parent } from '../backup-run.js'
import { backupStages, type FixedStages, type IncrementalStages } from '../backup-stages.js'
import { checkNames } from '../check-names.js'
import { checkPlain } from '../encrypted.js'
import { checkMounted } from '../mounted.js'
import type { BackupReport, RunOptions } from '../options.js'
import { checkSigner } from '../signed.js'
import { partsOfSource, sourceRules } from '../source-rules.js'
import { hasChanges, makeReport } from './backup-report.js'
import { findParent, type Newest, type RunKind } from './newest.js'
import { rebuildLocalState } from './rebuild-local.js'
import { checkShrunk } from './shrink.js'
import { removeLeftovers, removeSuperfluous } from './superfluous.js'
import { Watcher } from './watch.js'

/** Options of `openRun`. */
export interface OpenRunOptions extends RunOptions {
  /** Default: `auto`. */
  readonly kind?: RunKind | undefined
}

/**
 * One run of a backup, around any pipeline: it holds the lock on the key until it is closed.
 * `await using` closes it; where the language has none, `close()` does.
 */
export interface BackupRun extends BackupSettings, FixedStages, AsyncDisposable {
  /** The backup that this one builds on: its entries, signatures, contents and artifacts. None for a full. */
  readonly parent: Parent | undefined
  /** Why the run makes a full or an incremental, where nobody said which. */
  readonly level?: Level | undefined
  /** The stages that the prebuilt pipelines run, fresh ones, to be used once. */
  readonly stages: IncrementalStages
  /** For the end of `pipe`: the signal, and where `sign` finds contents that were renamed or moved. */
  readonly context: StageContext
  /**
   * Says what was stored. After a full it removes what that makes superfluous: cached artifacts of older chains and, with
   * `deleteOldSigvaults`, their sigvaults.
   */
  report(published: Published): Promise<BackupReport>
  /**
   * Releases the lock, once. Neither rejects nor hides an error: if the lock cannot be released, `onError` gets the
   * error.
   */
  close(): Promise<void>
}

/**
 * Begins a backup of a source: takes the lock, removes what an interrupted run left, and finds the chain and its newest
 * backup. Nothing of the source is read yet. A source whose path is not UTF-8 is given as its bytes.
 *
 * @throws BackupError IBT_LOCKED, IBT_NO_BACKUP, IBT_SOURCE_MISMATCH, IBT_BASIS_MISSING, IBT_NAME_INVALID, IBT_CLOCK, and
 * what the store throws. Nothing stays locked then.
 */
export async function openRun(source: string | Uint8Array, options: OpenRunOptions = {}): Promise<BackupRun> {
  const { kind = 'auto', signal, dryRun = false } = options
  if (!['full', 'incremental', 'auto'].includes(kind)) {
    throw new TypeError(`openRun: kind is 'full', 'incremental' or 'auto', not ${kind}`)
  }
  checkLimits(options)
  signal?.throwIfAborted()
  const { root, key, readRoot } = nameSource(source, options)
  const codec = options.codec ?? defaultCodec()
  const { encrypt: cipher } = options
  const codecs = withCodec(withCodec(options.codecs ?? [], codec), cipher)
  if (options.codec !== undefined || cipher !== undefined) await checkReadable(codec, codecs, cipher)
  const places = openPlaces(options)
  if (!options.init) await checkMounted(places, key, options)
  const lock = dryRun ? undefined : await acquireLock(places.store, key, { signal, waitMs: options.lockWaitMs })
  try {
    return await begin({ root, readRoot, key, kind, codec, codecs, cipher, places, lock }, options)
  } catch (error) {
    await releaseLock(lock, options.onError)
    throw error
  }
}

interface Beginning {
  readonly root: string
  readonly readRoot: string
  readonly key: string
  readonly kind: RunKind
  readonly codec: Codec
  readonly codecs: readonly Reading[]
  readonly cipher: Cipher | undefined
  readonly places: Places
  readonly lock: Lock | undefined
}

async function begin(beginning: Beginning, options: OpenRunOptions): Promise<BackupRun> {
  const { root, readRoot, key, kind, codec, codecs, cipher, places, lock } = beginning
  const { signal, dryRun = false } = options
  const stored = await listStored(places.cached, undefined, { signal })
  checkNames(stored, key)
  const chain = await Chain.open(places.cached, key, { signal, codecs, stored })
  if (cipher === undefined) checkPlain(chain)
  checkSigner(stored, key, options)
  if (!dryRun) await removeLeftovers(chain, places, stored, signal)
  if (!dryRun) await rebuildLocalState(chain, places, cipher, options)
  const source = { root, sourceId: options.sourceId }
  const newest = await findParent(chain, kind, source, options)
  const { parent, before } = newest
  const inside = await placesInside(places, root)
  if (readRoot !== root) inside.push(...(await placesInside(places, readRoot)))
  const leftOut = await partsOfSource(inside, root, options.rules)
  const watcher = new Watcher(options, parent)
  if (before !== undefined) {
    const { entries, files, sizeBytes } = before
    watcher.total = { entries, files, sizeBytes }
  }
  const header = makeHeader(key, source, chooseDate(chain.lastDate, options.date), {
    ...newest,
    changedBlocks: options.changedBlocks
  })
  // A date that was asked for may be that of a backup which the list does not show yet.
  if (options.date !== undefined && !dryRun) {
    await checkFree(places.store, artifactName(header, 'state', codec.suffix + (cipher?.suffix ?? '')), { signal })
  }
  const settings: BackupSettings = {
    root,
    readRoot,
    rules: await sourceRules(root, options.rules, { leftOut, onMissing: watcher.miss }),
    codec,
    cipher,
    header,
    store: dryRun ? nullStore() : places.cached,
    detection: options.detection,
    changedBlocks: options.changedBlocks,
    commits: async totals => {
      await lock?.check({ signal })
      if (before !== undefined && !options.allowShrink) checkShrunk(root, before, totals)
      return !options.skipUnchanged || hasChanges(totals)
    },
    signal
  }
  return runOf(settings, { chain, newest, leftOut, watcher, ...beginning }, options)
}

/** What a run has found when it has begun. */
interface Begun extends Beginning {
  readonly chain: Chain
  readonly newest: Newest
  readonly leftOut: readonly string[]
  readonly watcher: Watcher
}

function runOf(
  settings: BackupSettings,
  { chain, newest, leftOut, watcher, places, lock }: Begun,
  options: OpenRunOptions
): BackupRun {
  const { parent, level } = newest
  const { signal, onProgress, onError, dryRun = false } = options
  const close = () => releaseLock(lock, onError)
  return {
    ...settings,
    parent,
    level,
    stages: backupStages(settings, parent),
    addParents: addParents({ onMade: watcher.make }),
    watch: watcher.stage,
    context: { signal, origins: parent?.origins, ...(onProgress && { onRead: watcher.read }) },
    async report(published) {
      const report = makeReport(settings, newest, published, watcher)
      const isStored = published.isCommitted && !dryRun
      if (isStored && report.kind === 'full') await removeSuperfluous(chain, places, published, options)
      return { ...report, isStored, leftOut }
    },
    close,
    [Symbol.asyncDispose]: close
  }
}

/** @throws BackupError IBT_STORE_FAILED if the store has a state of that name */
async function checkFree(store: Store, state: string, options: StoreOptions): Promise<void> {
  if (!(await isThere(store, state, options))) return
  const message = `The store has ${state}, but does not list it: nothing is replaced`
  throw new BackupError('IBT_STORE_FAILED', message, { path: state })
}
