import { join } from 'node:path'
import { type BundleOptions, checkVolumeBytes } from '../../bundle/write-volumes.js'
import { withCodec } from '../../codec/index.js'
import { parseArtifactName } from '../../format/names.js'
import { type ForeignSink, toOutput } from '../../interop/foreign.js'
import { pipe } from '../../interop/pipe.js'
import { tee } from '../../interop/tee.js'
import { defaultCachePath } from '../../places/places.js'
import { bundle } from '../../stages/bundle.js'
import { filter } from '../../stages/filter.js'
import { type Published, publish } from '../../stages/publish.js'
import { listStored } from '../../stores/backup-names.js'
import { Chain } from '../../stores/chain.js'
import { directoryStore } from '../../stores/directory.js'
import { nullStore } from '../../stores/null-store.js'
import { wrapStore } from '../../stores/wrap-store.js'
import { type Chunk, type Counted, isCounted, type Sealed, type Sink, type Source, type Store } from '../../types.js'
import { type IncrementalStages, runStages } from '../backup-stages.js'
import { chooseStages } from '../choose-stages.js'
import type { BackupOptions, BackupReport } from '../options.js'
import { withCheck } from './check-made.js'
import type { RunKind } from './newest.js'
import { type BackupRun, openRun } from './open-run.js'
import { traceBackup } from './trace-backup.js'

/** Options of `streamBackup`. */
export interface StreamBackupOptions
  extends Omit<BackupOptions<IncrementalStages>, 'cache' | 'skipUnchanged' | 'dryRun'>,
    BundleOptions {
  /** Default: `auto`, a full if nothing is known to build on. */
  readonly kind?: RunKind | undefined
  /**
   * What a backup builds on: the newest backup of this store, which is only read. Default: the last backup of the key that
   * was sent, as `sent` remembers it.
   */
  readonly store?: Store | string | undefined
  /** Remembers states and signatures of what was sent. Default: the directory `sent` of the user's cache; false: nothing. */
  readonly sent?: Store | string | false | undefined
}

/**
 * Backs a directory up into one stream, as a bundle, and not into a store: `importBackups` or any tar receives it. The
 * receiver has to have the archives that an incremental builds on.
 * A backup counts as sent when the output has taken its last byte. Whether it was stored, only the receiver can say: if it
 * was not, the next incremental is refused there, and a full is the way out.
 *
 * Memory: that of a backup, and one volume of each artifact.
 * @throws BackupError IBT_NO_BACKUP for an incremental on nothing; whatever the pipeline and the output throw: then the
 * bundle is cut off, and its reader notices.
 */
export function streamBackup(
  source: string | Uint8Array,
  output: Sink<Uint8Array, unknown> | ForeignSink,
  options: StreamBackupOptions = {}
): Promise<BackupReport> {
  return traceBackup(source, options, () => stream(source, output, options))
}

async function stream(
  source: string | Uint8Array,
  output: Sink<Uint8Array, unknown> | ForeignSink,
  options: StreamBackupOptions
): Promise<BackupReport> {
  const { stages, sent, volumeBytes, ...rest } = options
  checkVolumeBytes(options)
  const memory = options.store === undefined ? openSent(sent) : undefined
  const run = await openRun(source, {
    ...rest,
    cache: false,
    ...(memory === undefined
      ? { dryRun: true, ...(options.store === undefined && { store: nullStore() }) }
      : { store: memory })
  })
  try {
    const chosen = withCheck(chooseStages(run.stages, stages, filter(run.rules)), run)
    const published = await runStages({ ...chosen, publish: send(run, output, { volumeBytes }) }, run, run.context)
    const report = await run.report(published)
    if (memory !== undefined) await forgetOlder(memory, report, options)
    return { ...report, isStored: true }
  } finally {
    await run.close()
  }
}

/** Sends the bundle; what is remembered of it is committed when the last byte has gone. */
function send(
  run: BackupRun,
  output: Sink<Uint8Array, unknown> | ForeignSink,
  options: BundleOptions
): Sink<Chunk | Sealed | Counted, Published> {
  return async function sendSink(source, context) {
    let sent = () => {}
    const isSent = new Promise<void>(resolve => {
      sent = resolve
    })
    const commits = () => isSent.then(() => true)
    const sending: Sink<Chunk | Sealed | Counted> = async (items, branch) => {
      await pipe(checked(items, run), bundle(options), toOutput(output), { signal: branch?.signal })
      sent()
    }
    const [published] = await tee(publish(run.store, { commits }), sending)(source, context)
    return published
  }
}

/** A stream cannot be taken back: what a commit would refuse, a source that is all but empty, cuts it off. */
async function* checked(items: Source<Chunk | Sealed | Counted>, { commits }: BackupRun) {
  for await (const item of items) {
    if (isCounted(item)) await commits(item.totals)
    yield item
  }
}

/** A store of what was sent: of archives it has the names, since only the receiver has their bytes. */
function openSent(sent: Store | string | false | undefined): Store | undefined {
  if (sent === false) return undefined
  const store = typeof sent === 'object' ? sent : directoryStore(sent ?? join(defaultCachePath(), 'sent'))
  return wrapStore(store, {
    async put(name, source, options) {
      if (isRead(name)) return store.put(name, source, options)
      for await (const _ of source);
      await store.put(name, [], options)
    }
  })
}

/** Whether the next backup reads it: a state, or signatures. */
function isRead(name: string): boolean {
  const kind = parseArtifactName(name)?.kind
  return kind === undefined || kind === 'state' || kind === 'sigvault'
}

/** Removes what the newest backup does not need. The backup is sent: what cannot be removed does not matter. */
async function forgetOlder(
  memory: Store,
  { key, date }: BackupReport,
  { codecs, codec, encrypt, signal }: StreamBackupOptions
): Promise<void> {
  try {
    const own = withCodec(withCodec(codecs ?? [], codec), encrypt)
    const stored = await listStored(memory, `${key}.`, { signal })
    const chain = await Chain.open(memory, key, { signal, codecs: own, stored })
    const { artifacts } = (await chain.ends(date)).closing
    const needed = new Set(artifacts.map(({ name }) => name))
    for (const { name } of stored) {
      const found = parseArtifactName(name)
      if (found?.key !== key || needed.has(name) || (found.kind === 'state' && found.date === date)) continue
      await memory.delete(name, { signal })
    }
  } catch {
    // The next run tries again.
  }
}
