import type { BackupError } from '../../errors.js'
import { traceRun } from '../../flow/tracing.js'
import { pipe } from '../../interop/pipe.js'
import { parseAt } from '../../places/at.js'
import type { AtOptions } from '../../places/options.js'
import { openPlaces } from '../../places/places.js'
import { checkSample, type SampleSize } from '../../proof/sample.js'
import { patch } from '../../stages/patch.js'
import { unpack } from '../../stages/unpack.js'
import { listStored } from '../../stores/backup-names.js'
import { Chain } from '../../stores/chain.js'
import { readOnce } from '../../stores/read-once.js'
import type { Entry, Layered, Sink, Source, Stage, StateClosing } from '../../types.js'
import { chooseStages, passAll, type StagesOption } from '../choose-stages.js'
import {
  CheckedEntries,
  checkArtifacts,
  checkDigest,
  checkLinks,
  type DatedState,
  erasedNote,
  isReadWhole
} from './check-state.js'
import { Problems, type Proven, type ProveOptions, prove } from './prove.js'
import { openSample, type ProvenSample, type RunningSample } from './verify-sample.js'

/** The stages of a verification, by name. Digests of states and artifacts are checked when they have run. */
export interface VerifyStages {
  readonly unpack: Source<Layered>
  readonly filter: Stage<Layered>
  readonly patch: Stage<Layered, Entry>
  readonly prove: Sink<Entry, Proven>
}

export interface VerifyOptions extends AtOptions, ProveOptions {
  /** Read every artifact and make every file: proves each digest. Default: names, sizes, states and their digests. */
  readonly readData?: boolean | undefined
  /** Read every artifact and prove its digest, without making files: for who has no key of the archives. */
  readonly digests?: boolean | undefined
  /**
   * Make so much of the files, at least: those that were proven the longest ago, and those that never were before them.
   * What is proven is recorded in the store.
   */
  readonly sample?: SampleSize | undefined
  /** Decides among files that were proven at the same time, or never. Default: a new one, which the report says. */
  readonly seed?: string | undefined
  /** Make only files that were not proven within so many milliseconds. What is proven is recorded in the store. */
  readonly maxAgeMs?: number | undefined
  /** Observes every problem: one for an archive that is damaged, however many files are lost with it. */
  readonly onError?: ((error: BackupError) => void) | undefined
  /** Replaces stages of the pipeline, by name: a record, or a function of the pipeline's own. */
  readonly stages?: StagesOption<VerifyStages> | undefined
}

/** What a verification found. */
export interface VerifyReport extends Proven {
  readonly key: string
  readonly date: string
  readonly artifacts: number
  /** Files that are suspected of bit rot: when they were backed up, the source had another content under the same size and mtime. */
  readonly suspectFiles: number
  /** What was chosen with `sample` or `maxAgeMs`. */
  readonly sample?: ProvenSample | undefined
  readonly problems: readonly BackupError[]
  /** What is worth knowing and does not stand in the way of a restore. */
  readonly notes: readonly string[]
}

/**
 * Proves a backup: its chain of states, the artifacts that it needs and, on request, every byte of every file, or of some.
 * With `sample` or `maxAgeMs` it records in the store what it has proven; else it writes nothing.
 *
 * @throws BackupError IBT_NO_BACKUP, and IBT_STATE_VERSION for a backup that only a later version can judge.
 * @throws RangeError for a `sample` or an age that makes no sense.
 */
export function verifyBackup(key: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  return traceRun({ operation: 'verify', key }, () => verify(key, options))
}

async function verify(key: string, options: VerifyOptions): Promise<VerifyReport> {
  const { codecs, signal, sample: size, maxAgeMs } = options
  if (size !== undefined) checkSample(size)
  if (maxAgeMs !== undefined && !(maxAgeMs >= 0)) throw new RangeError('verify: maxAgeMs is not negative')
  const isPart = size !== undefined || maxAgeMs !== undefined
  const { store } = openPlaces(options)
  const stored = await listStored(store, `${key}.`, { signal })
  // Where only parts of archives are needed, to hash them would read the rest.
  const reading = readOnce(store, isPart ? stored.filter(isReadWhole) : stored, { signal })
  const chain = await Chain.open(reading, key, { codecs, signal, stored })
  const { date } = chain.at(await parseAt(options.at))
  const problems = new Problems(options)
  const notes: string[] = []
  const { report } = problems
  const tell = { report, note: (note: string) => void notes.push(note) }
  let found: Checked = { entries: 0, files: 0, sizeBytes: 0, suspectFiles: 0 }
  let artifacts = 0
  let sample: RunningSample | undefined
  try {
    const { header, closing } = await chain.ends(date)
    const [, ...needed] = await chain.needs(date)
    artifacts = needed.length
    const sizes = new Map(stored.map(({ name, sizeBytes }) => [name, sizeBytes]))
    const whole = checkArtifacts(needed, sizes, tell)
    if (isPart)
      sample = await openSample(chain, { date, header }, { ...options, store, stored, needed, whole, ...tell })
    // Digests come last: what the entries have read need not be read again.
    found = await checkEntries(chain, { date, header, closing }, { ...options, sample, ...tell }).catch(error => {
      report(error)
      return found
    })
    await checkLinks(chain, { date, header }, reading.digest, tell)
    if (sample !== undefined) await sample.end(artifact => checkDigest(artifact, reading.digest, report))
    else if (options.readData || options.digests)
      for (const artifact of whole) await checkDigest(artifact, reading.digest, report)
  } catch (error) {
    report(error)
  }
  return { key, date, artifacts, ...found, sample: sample?.report, problems: problems.found, notes }
}

interface Checked extends Proven {
  readonly suspectFiles: number
}

interface CheckOptions extends Omit<VerifyOptions, 'sample'> {
  readonly sample: RunningSample | undefined
  readonly report: (error: unknown) => void
  readonly note: (note: string) => void
}

async function checkEntries(
  chain: Chain,
  { date, header, closing }: DatedState & { readonly closing: StateClosing },
  { sample, report, note, readData = false, stages: option, signal, onProgress, onLost }: CheckOptions
): Promise<Checked> {
  const checked = new CheckedEntries(chain.entries(date), report)
  const entries = sample === undefined ? checked.pass() : sample.chosen(checked.pass())
  const defaults: VerifyStages = {
    unpack: unpack(entries, chain.openArchive),
    filter: passAll,
    patch: patch(),
    prove: prove({ readData: readData || sample !== undefined, onProgress, onLost, report, onFile: sample?.settle })
  }
  const stages = chooseStages(defaults, option, passAll)
  const proven = await pipe(stages.unpack, stages.filter, stages.patch, stages.prove, { signal })
  checked.end(header, closing)
  const { entries: passed, suspectFiles, erased } = checked
  if (erased > 0) note(erasedNote(erased))
  return { ...proven, entries: sample === undefined ? proven.entries : passed, suspectFiles }
}
