import { resolve } from 'node:path'
import { checkReadable, withCodec, zstd } from '../codec/index.js'
import { BackupError, isBackupError } from '../errors.js'
import { checkKey, keyFromPath, parseArtifactName } from '../format/names.js'
import { createRules } from '../rules.js'
import { addParents } from '../stages/add-parents.js'
import { observe } from '../stages/observe.js'
import { pruneCache } from '../stores/cached-store.js'
import { Chain, listStored } from '../stores/chain.js'
import { acquireLock, cleanTakeOvers, whileLocked } from '../stores/lock.js'
import { nullStore } from '../stores/null-store.js'
import type { StoredName, Totals } from '../types.js'
import { type BackupRun, checkSource, makeHeader, openParent, type Parent, type Source } from './backup-run.js'
import { type FullStages, fullStages, runFull } from './full.js'
import { type IncrementalStages, incrementalStages, runIncremental } from './incremental.js'
import { checkMounted } from './mounted.js'
import type { BackupOptions, BackupReport } from './options.js'
import { checkNamed, openPlaces, type Places, placesInside } from './places.js'
import { checkShrunk } from './shrink.js'
import { Watcher } from './watch.js'

/** Backs a directory up whole. @throws BackupError */
export function fullBackup(source: string, options: BackupOptions<FullStages> = {}): Promise<BackupReport> {
  return backup(source, 'full', options)
}

/** Backs up what has changed since the newest backup. @throws BackupError IBT_NO_BACKUP if there is none */
export function incrementalBackup(
  source: string,
  options: BackupOptions<IncrementalStages> = {}
): Promise<BackupReport> {
  return backup(source, 'incremental', options)
}

/** A full if there is none yet, else an incremental. */
export function autoBackup(source: string, options: BackupOptions<IncrementalStages> = {}): Promise<BackupReport> {
  return backup(source, 'auto', options)
}

type Mode = 'full' | 'incremental' | 'auto'

async function backup(path: string, mode: Mode, options: BackupOptions<IncrementalStages>): Promise<BackupReport> {
  const { signal, dryRun = false } = options
  signal?.throwIfAborted()
  const root = resolve(checkNamed('source', path))
  const key = options.key ?? keyFromPath(root)
  checkKey(key)
  const codec = options.codec ?? zstd()
  const codecs = withCodec(options.codecs ?? [], codec)
  if (options.codec !== undefined) await checkReadable(codec, codecs)
  const places = openPlaces(options)
  if (!options.init) await checkMounted(places, key, options)
  const lock = dryRun ? undefined : await acquireLock(places.store, key, { signal, waitMs: options.lockWaitMs })
  return whileLocked(lock, options.onError, async () => {
    const stored = await listStored(places.cached, undefined, { signal })
    checkKeyCase(stored, key)
    const chain = await Chain.open(places.cached, key, { signal, codecs, stored })
    if (!dryRun) await clean(chain, places, stored, signal)
    const source = { root, sourceId: options.sourceId }
    const { parent, before } = await findParent(chain, mode, source, options)
    const leftOut = await placesInside(places, root)
    const watcher = new Watcher(options)
    const prepared = {
      root,
      rules: createRules({
        ...options.rules,
        excludePaths: [...(options.rules?.excludePaths ?? []), ...leftOut],
        onMissing: watcher.miss
      }),
      codec,
      header: makeHeader(key, source, chain.newest?.date, parent),
      store: dryRun ? nullStore() : places.cached,
      detection: options.detection,
      inRuns: options.stages === undefined,
      commits: async (totals: Totals) => {
        await lock?.check()
        if (before !== undefined && !options.allowShrink) checkShrunk(root, before, totals)
        return !options.skipUnchanged || hasChanges(totals)
      },
      signal
    }
    const report = await run(prepared, parent, options, watcher)
    if (report.isStored && report.kind === 'full') {
      // The backup exists: what cannot be removed now is no reason to call it a failure.
      await tidy(chain, places, report, options).catch(error => {
        if (!isBackupError(error)) throw error
        options.onError?.(error)
      })
    }
    return { ...report, leftOut }
  })
}

interface Newest {
  /** The backup to build on: none for a full. */
  readonly parent?: Parent | undefined
  /** What the newest backup counted, also where nothing is built on it. */
  readonly before?: Totals | undefined
}

/** The newest backup, which has to be of the same source, for a full, too. */
async function findParent(
  chain: Chain,
  mode: Mode,
  source: Source,
  { allowSourceMismatch = false, onError }: BackupOptions<IncrementalStages>
): Promise<Newest> {
  const { newest, key } = chain
  if (newest === undefined) {
    if (mode !== 'incremental') return {}
    throw new BackupError('IBT_NO_BACKUP', `No backup of ${key} to build on: make a full one first`, { path: key })
  }
  try {
    const { header, closing } = await chain.ends(newest.date)
    if (!allowSourceMismatch) checkSource(header, source)
    return { before: closing.totals, parent: mode === 'full' ? undefined : await openParent(chain, newest) }
  } catch (error) {
    // A full is the way out of a damaged chain: only a refusal stops it.
    const isRefusal = !isBackupError(error) || ['IBT_SOURCE_MISMATCH', 'IBT_STATE_VERSION'].includes(error.code)
    if (mode !== 'full' || isRefusal) throw error
    onError?.(error)
    return {}
  }
}

/** Removes what an interrupted run left. */
async function clean(
  chain: Chain,
  { cached, store, cache }: Places,
  stored: readonly StoredName[],
  signal?: AbortSignal
): Promise<void> {
  for (const name of chain.leftovers) await cached.delete(name, { signal })
  await store.clean?.(chain.key)
  // A cache that fails is done without.
  await cache?.clean?.(chain.key).catch(() => {})
  await cleanTakeOvers(store, chain.key, stored, { signal })
}

async function run(
  run: BackupRun,
  parent: Parent | undefined,
  options: BackupOptions<IncrementalStages>,
  watcher: Watcher
): Promise<BackupReport> {
  const { header, signal } = run
  const fixed = { parents: addParents({ onMade: watcher.make }), watch: observe(watcher.see) }
  const { artifacts, totals, isCommitted } =
    parent === undefined
      ? await runFull({ ...fullStages(run), ...options.stages }, fixed, signal)
      : await runIncremental({ ...incrementalStages(run, parent), ...options.stages }, fixed, signal)
  return {
    key: header.key,
    date: header.date,
    kind: header.kind,
    parent: parent?.date,
    files: artifacts,
    storedBytes: artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    totals,
    missingFiles: watcher.missingFiles,
    madeDirectories: watcher.madeDirectories,
    skippedEntries: totals.unreadable + totals.dirty + watcher.missingFiles,
    isStored: isCommitted && !options.dryRun,
    leftOut: [],
    movedFiles: watcher.movedFiles
  }
}

function hasChanges({ created, updated, touched, deleted, unreadable, dirty }: Totals): boolean {
  return created + updated + touched + deleted + unreadable + dirty > 0
}

/** Two keys that a file system or a person could take for one are refused. */
function checkKeyCase(stored: readonly StoredName[], key: string): void {
  for (const { name } of stored) {
    const other = parseArtifactName(name)?.key
    if (other === undefined || other === key || other.toLowerCase() !== key.toLowerCase()) continue
    const message = `The store has backups under ${other}, which differs from ${key} only in case`
    throw new BackupError('IBT_NAME_INVALID', message, { path: key })
  }
}

/** What a new full makes superfluous: sigvaults and cached states of older chains. */
async function tidy(
  chain: Chain,
  { store, cache }: Places,
  { files }: BackupReport,
  { deleteOldSigvaults, signal }: BackupOptions<IncrementalStages>
): Promise<void> {
  if (cache !== undefined) {
    const wanted = new Set(files.map(({ name }) => name))
    await pruneCache(cache, chain.key, name => wanted.has(name)).catch(() => {})
  }
  if (!deleteOldSigvaults) return
  const old = chain.artifacts.filter(({ kind }) => kind === 'sigvault')
  for (const { name } of old) await store.delete(name, { signal })
}
