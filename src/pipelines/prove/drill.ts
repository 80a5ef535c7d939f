import { availableParallelism, hostname } from 'node:os'
import { resolve } from 'node:path'
import { type BackupError, type ErrorCode, isBackupError } from '../../errors.js'
import { traceRun } from '../../flow/tracing.js'
import { pipe } from '../../interop/pipe.js'
import { decodePath } from '../../path.js'
import { parseAt } from '../../places/at.js'
import type { AtOptions } from '../../places/options.js'
import { checkNamed, openPlaces } from '../../places/places.js'
import { restoreCost } from '../../plan/restore-cost.js'
import { checkSample, chooseStretches, newSeed, type SampleSize } from '../../proof/sample.js'
import { type Stretch, Stretches } from '../../proof/stretches.js'
import { patch } from '../../stages/patch.js'
import { unpack } from '../../stages/unpack.js'
import { write } from '../../stages/write.js'
import { listStored } from '../../stores/backup-names.js'
import { Chain } from '../../stores/chain.js'
import { countReads } from '../../stores/count-reads.js'
import { readOnce } from '../../stores/read-once.js'
import type { Artifact, Entry, Sink, Source, StateEntry, StateHeader, Totals } from '../../types.js'
import type { Progress } from '../options.js'
import { progress } from '../restore/restore.js'
import { CheckedEntries, checkArtifacts, checkLinks, erasedNote, isReadWhole } from './check-state.js'
import { DRILL_FORMAT, DRILL_VERSION, type DrillReport, estimateAll } from './drill-report.js'
import { Problems, type ProveOptions, prove } from './prove.js'
import { toolVersion } from './tool-version.js'

/** Options of `drillBackup`. The cache is never used: it would not be there after a disaster. */
export interface DrillOptions extends AtOptions, ProveOptions {
  /** Restore so much of the files, at least, chosen by the seed alone. Default: everything. */
  readonly sample?: SampleSize | undefined
  /** Default: a new one, which the report says. */
  readonly seed?: string | undefined
  /** Restore into this directory, which is empty or not there yet. Default: make and prove everything, and keep nothing. */
  readonly into?: string | Uint8Array | undefined
  /** Observes every problem. */
  readonly onError?: ((error: BackupError) => void) | undefined
}

/** These say that the drill could not be held, and nothing about the backup. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['IBT_NOT_EMPTY', 'IBT_WRITE_FAILED'])

/**
 * Restores a backup, or a sample of it, to find out whether and how fast that works: every content is made and proven, and
 * thrown away or written into a directory. Nothing is written to the store. What is wrong with the backup is in the
 * report, and the drill goes on as far as it can.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_STATE_VERSION, IBT_NOT_EMPTY, and IBT_WRITE_FAILED if the directory cannot be
 * written.
 * @throws RangeError for a `sample` that makes no sense, and an empty path.
 */
export function drillBackup(key: string, options: DrillOptions = {}): Promise<DrillReport> {
  return traceRun({ operation: 'drill', key }, () => drill(key, options))
}

async function drill(key: string, options: DrillOptions): Promise<DrillReport> {
  const { codecs, signal, sample, into } = options
  signal?.throwIfAborted()
  if (sample !== undefined) checkSample(sample)
  const destination = into === undefined ? undefined : toPath(into)
  const clock = new Clock()
  const { store } = openPlaces({ ...options, cache: false })
  const everything = countReads(store, () => true)
  const archives = countReads(everything.store)
  const stored = await listStored(archives.store, `${key}.`, { signal })
  const reading = readOnce(archives.store, stored.filter(isReadWhole), { signal })
  const chain = await Chain.open(reading, key, { codecs, signal, stored })
  const { date, kind, stateDate } = chain.at(await parseAt(options.at))
  const problems = new Problems(options)
  const notes: string[] = []
  const tell = { report: problems.report, note: (note: string) => void notes.push(note) }
  const drill = new Drill(chain, { ...options, ...tell, date, destination })
  await drill.run(new Map(stored.map(({ name, sizeBytes }) => [name, sizeBytes])), clock).catch(error => {
    if (isBackupError(error) && REFUSALS.has(error.code)) throw error
    problems.report(error)
  })
  if (drill.header !== undefined) {
    await checkLinks(chain, { date, header: drill.header }, reading.digest, tell).catch(problems.report)
  }
  const state = chain.artifacts.find(artifact => artifact.kind === 'state' && artifact.date === stateDate)
  const stateSha256 = await reading.digest(state!.name).catch(() => signal?.throwIfAborted())
  const counts = drill.counts(archives.counts().archives)
  const { requests, storedBytes: readBytes } = everything.counts()
  const { storedBytes: archiveBytes } = archives.counts()
  // The list is a request, too.
  const measured = { ...clock.measures(counts.sizeBytes), requests: requests + 1, readBytes, archiveBytes }
  return {
    format: DRILL_FORMAT,
    version: DRILL_VERSION,
    result: problems.found.length === 0 ? 'passed' : 'failed',
    startedAt: clock.startedAt,
    finishedAt: new Date().toISOString(),
    ...whereItRan(),
    tested: {
      ...{ key, date, kind, stateSha256: stateSha256 ?? null },
      ...{ root: drill.header?.root ?? null, sourceHost: drill.header?.host ?? null },
      store: { id: store.id, places: store.places ?? [] },
      into: destination === undefined ? 'nothing' : 'directory',
      destination: destination ?? null,
      sample: sample === undefined ? null : { ...sample, seed: drill.seed }
    },
    counts,
    problems: problems.found.map(({ code, message, path }) => ({ code, message, path: path ?? null })),
    notes,
    measured,
    estimate: estimateAll(counts, measured, sample && (await planBytes(chain, date)))
  }
}

/** What a restore of everything reads of archives. It is no part of the drill that this cannot be planned. */
async function planBytes(chain: Chain, date: string): Promise<number | undefined> {
  try {
    const { archives } = await restoreCost(chain, date)
    return archives.reduce((sum, { readBytes }) => sum + readBytes, 0)
  } catch (error) {
    chain.options.signal?.throwIfAborted()
    if (!isBackupError(error)) throw error
    return undefined
  }
}

/** @throws RangeError for an empty path */
function toPath(into: string | Uint8Array): string {
  return resolve(checkNamed('destination', typeof into === 'string' ? into : decodePath(into)))
}

function whereItRan(): Pick<DrillReport, 'tool' | 'machine'> {
  return {
    tool: { name: 'incremental-backups-tools', version: toolVersion(), node: process.version },
    machine: {
      host: hostname(),
      platform: `${process.platform}-${process.arch}`,
      processors: availableParallelism()
    }
  }
}

interface DrillSettings extends DrillOptions {
  readonly date: string
  readonly destination: string | undefined
  readonly report: (error: unknown) => void
  readonly note: (note: string) => void
}

/** One restore, and what is known of it so far: it may end early. */
class Drill {
  readonly seed: string
  header: StateHeader | undefined
  totals: Totals | undefined
  checked: CheckedEntries | undefined
  allArchives = 0
  /** So far. */
  proven: Pick<Progress, 'files' | 'sizeBytes'> = { files: 0, sizeBytes: 0 }

  constructor(
    readonly chain: Chain,
    readonly settings: DrillSettings
  ) {
    this.seed = settings.seed ?? newSeed()
  }

  counts(archives: number): DrillReport['counts'] {
    const { files, sizeBytes } = this.proven
    return {
      entries: this.checked?.entries ?? 0,
      ...{ files, sizeBytes },
      allFiles: this.totals?.files ?? 0,
      allSizeBytes: this.totals?.sizeBytes ?? 0,
      ...{ archives, allArchives: this.allArchives },
      suspectFiles: this.checked?.suspectFiles ?? 0
    }
  }

  async run(stored: ReadonlyMap<string, number>, clock: Clock): Promise<void> {
    const { chain, settings } = this
    const { date, report, note, sample } = settings
    const { header, closing } = await chain.ends(date)
    this.header = header
    this.totals = closing.totals
    const [, ...needed] = await chain.needs(date)
    this.allArchives = needed.filter(({ kind }) => kind !== 'sigvault' && kind !== 'state').length
    const whole = checkArtifacts(needed, stored, settings)
    const checked = new CheckedEntries(chain.entries(date), report)
    this.checked = checked
    const entries =
      sample === undefined ? checked.pass() : await this.#chosen(checked.pass(), whole as Artifact[], sample, clock)
    clock.opened()
    await this.#restore(entries).finally(() => clock.restored())
    checked.end(header, closing)
    const { unreadable, erased } = checked
    if (unreadable > 0) note(`${unreadable} entries could not be read when they were backed up, and are not restored`)
    if (erased > 0) note(erasedNote(erased))
  }

  /** All entries but the files that are not in the sample. The state is read once more for it. */
  async #chosen(
    entries: Source<StateEntry>,
    needed: readonly Artifact[],
    sample: SampleSize,
    clock: Clock
  ): Promise<Source<StateEntry>> {
    // Sigvaults are for the next backup: no restore reads them.
    const stretches = new Stretches(
      needed.filter(({ kind }) => kind !== 'sigvault'),
      () => undefined
    )
    await clock.timeState(async () => {
      for await (const entry of this.chain.entries(this.settings.date)) stretches.add(entry)
    })
    const chosen = chooseStretches(stretches.all, sample, { seed: this.seed, beforeMs: 0 })
    return onlyIn(entries, stretches, chosen)
  }

  async #restore(entries: Source<StateEntry>): Promise<void> {
    const { signal, destination, report, onProgress, onLost } = this.settings
    const unpacked = unpack(entries, this.chain.openArchive)
    if (destination === undefined) {
      const watched = (progress: Progress) => {
        this.proven = progress
        onProgress?.(progress)
      }
      await pipe(unpacked, patch(), prove({ readData: true, report, onProgress: watched, onLost }), { signal })
    } else await pipe(unpacked, patch({ spoolDirectory: destination }), this.#writer(destination), { signal })
  }

  #writer(destination: string): Sink<Entry> {
    const { report, note, onProgress } = this.settings
    const count = progress({
      onProgress: counts => {
        this.proven = counts
        onProgress?.(counts)
      }
    })
    const onError = (error: BackupError) => {
      if (error.code === 'IBT_METADATA_FAILED') note(error.message)
      // It was not backed up, which is said once.
      else if (error.code !== 'IBT_READ_FAILED') report(error)
    }
    const writes = write(destination, { onError, onEntry: count, protect: this.chain.store.places })
    return async (source, context) => void (await writes(source, context))
  }
}

async function* onlyIn(
  entries: Source<StateEntry>,
  stretches: Stretches,
  chosen: ReadonlySet<Stretch>
): AsyncGenerator<StateEntry, void, undefined> {
  for await (const entry of entries) {
    const stretch = stretches.of(entry)
    if (stretch === undefined || chosen.has(stretch)) yield entry
  }
}

/** When a drill began, and how long its parts took. */
class Clock {
  readonly startedAt = new Date().toISOString()
  readonly #started = performance.now()
  readonly #processor = process.cpuUsage()
  #stateMs = 0
  #opened: number | undefined
  #restored: number | undefined

  /** What it takes to read a state. */
  async timeState(read: () => Promise<void>): Promise<void> {
    const started = performance.now()
    await read()
    this.#stateMs = performance.now() - started
  }

  opened(): void {
    this.#opened = performance.now()
  }

  restored(): void {
    this.#restored = performance.now()
  }

  measures(sizeBytes: number) {
    const now = performance.now()
    const { user, system } = process.cpuUsage(this.#processor)
    const opened = this.#opened ?? now
    const restoreMs = (this.#restored ?? opened) - opened
    return {
      openMs: Math.round(opened - this.#started),
      stateMs: Math.round(this.#stateMs),
      restoreMs: Math.round(restoreMs),
      totalMs: Math.round(now - this.#started),
      processorMs: Math.round((user + system) / 1000),
      bytesPerSecond: restoreMs === 0 ? 0 : Math.round((sizeBytes * 1000) / restoreMs)
    }
  }
}
