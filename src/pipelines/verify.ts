import { BackupError, isBackupError } from '../errors.js'
import { EntryCheck } from '../format/entry-check.js'
import { pipe } from '../interop/pipe.js'
import { parseAt } from '../places/at.js'
import type { AtOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import { patch } from '../stages/patch.js'
import { unpack } from '../stages/unpack.js'
import { Chain, listStored, type NeededArtifact } from '../stores/chain.js'
import { type ReadOnceStore, readOnce } from '../stores/read-once.js'
import type { ChainLink, Entry, Layered, Sink, Source, Stage, StateClosing, StateEntry, StateHeader } from '../types.js'
import { chooseStages, passAll, type StagesOption } from './choose-stages.js'
import { Losses } from './losses.js'
import type { Progress } from './options.js'

/** What a proof of entries found. */
export interface Proven {
  readonly entries: number
  /** Files whose content was made and proven. */
  readonly files: number
  readonly sizeBytes: number
}

/** The stages of a verification, by name. Digests of states and artifacts are checked when they have run. */
export interface VerifyStages {
  readonly unpack: Source<Layered>
  readonly filter: Stage<Layered>
  readonly patch: Stage<Layered, Entry>
  readonly prove: Sink<Entry, Proven>
}

export interface VerifyOptions extends AtOptions {
  /** Read every artifact and make every file: proves each digest. Default: names, sizes, states and their digests. */
  readonly readData?: boolean | undefined
  /** Called for every entry that has been proven. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Observes every problem: one for an archive that is damaged, however many files are lost with it. */
  readonly onError?: ((error: BackupError) => void) | undefined
  /** Called for each file that cannot be made, as it was. */
  readonly onLost?: ((path: string) => void) | undefined
  /** Replaces stages of the pipeline, by name: a record, or a function of the pipeline's own. */
  readonly stages?: StagesOption<VerifyStages> | undefined
}

/** What a verification found. */
export interface VerifyReport extends Proven {
  readonly key: string
  readonly date: string
  readonly artifacts: number
  readonly problems: readonly BackupError[]
}

/**
 * Proves a backup: its chain of states, the artifacts that it needs and, on request, every byte of every file.
 *
 * @throws BackupError IBT_NO_BACKUP, and IBT_STATE_VERSION for a backup that only a later version can judge.
 */
export async function verifyBackup(key: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { codecs, signal } = options
  const { store } = openPlaces(options)
  const stored = await listStored(store, `${key}.`, { signal })
  const reading = readOnce(store, stored, { signal })
  const chain = await Chain.open(reading, key, { codecs, signal, stored })
  const { date } = chain.at(await parseAt(options.at))
  const problems: BackupError[] = []
  const report = (error: unknown) => {
    const isRefused = isBackupError(error) && error.code === 'IBT_STATE_VERSION'
    if (options.signal?.aborted || isRefused || !isBackupError(error)) throw error
    problems.push(error)
    options.onError?.(error)
  }
  let proven: Proven = { entries: 0, files: 0, sizeBytes: 0 }
  let artifacts = 0
  try {
    const { header, closing } = await chain.ends(date)
    const [, ...needed] = await chain.needs(date)
    artifacts = needed.length
    const links = [...header.chain, await ownLink(chain, date, header)]
    const whole = checkArtifacts(chain, date, needed, options, report)
    // Digests come last: what the entries have read need not be read again.
    proven = await checkEntries(chain, date, closing, options, report).catch(error => {
      report(error)
      return proven
    })
    await checkLinks(chain, reading, links, report)
    if (options.readData) for (const artifact of whole) await checkDigest(reading, artifact, report)
  } catch (error) {
    report(error)
  }
  return { key, date, artifacts, ...proven, problems }
}

type Report = (error: unknown) => void

/** A state cannot hold its own digest: the one after it has it. */
async function ownLink(chain: Chain, date: string, own: StateHeader): Promise<ChainLink> {
  const next = chain.backups.find(backup => backup.date > date)
  const ends = next && (await chain.ends(next.date).catch(() => undefined))
  return { date: own.date, stateSha256: ends?.header.chain.find(link => link.date === own.date)?.stateSha256 }
}

async function checkLinks(
  chain: Chain,
  reading: ReadOnceStore,
  links: readonly ChainLink[],
  report: Report
): Promise<void> {
  for (const { date, stateSha256 } of links) {
    const state = chain.artifacts.find(artifact => artifact.date === date && artifact.kind === 'state')
    // A backup that was pruned: each state is complete by itself, and the archives of that date are checked as artifacts.
    if (stateSha256 === undefined || state === undefined) continue
    const found = await reading.digest(state.name).catch(report)
    if (found !== undefined && found !== stateSha256) report(digestMismatch(`The state of ${date}`, found, stateSha256))
  }
}

/**
 * Reports artifacts that are missing or have another size; returns the others. Sigvaults are for the increment on the
 * newest backup: those that only an older backup names may be gone.
 */
function checkArtifacts(
  chain: Chain,
  date: string,
  artifacts: readonly NeededArtifact[],
  { signal }: VerifyOptions,
  report: Report
): readonly NeededArtifact[] {
  const stored = new Map(chain.artifacts.map(({ name, sizeBytes }) => [name, sizeBytes]))
  const isNewest = date === chain.newest?.date
  return artifacts.filter(({ name, kind, sizeBytes }) => {
    signal?.throwIfAborted()
    const found = stored.get(name)
    if (found === undefined && kind === 'sigvault' && !isNewest) return false
    if (found === undefined) report(new BackupError('IBT_BASIS_MISSING', `${name} is not in the store`, { path: name }))
    else if (found !== sizeBytes) {
      const message = `${name} has ${found} bytes, not the ${sizeBytes} that were stored`
      report(new BackupError('IBT_ARCHIVE_TRUNCATED', message, { path: name }))
    }
    return found === sizeBytes
  })
}

async function checkDigest(reading: ReadOnceStore, { name, sha256 }: NeededArtifact, report: Report): Promise<void> {
  // That of a state is in the states behind it.
  if (sha256 === undefined) return
  const found = await reading.digest(name).catch(report)
  if (found !== undefined && found !== sha256) report(digestMismatch(name, found, sha256))
}

async function checkEntries(
  chain: Chain,
  date: string,
  { totals }: StateClosing,
  options: VerifyOptions,
  report: Report
): Promise<Proven> {
  const state = await chain.state(date)
  let entries = 0
  let isComplete = false
  async function* counted() {
    for await (const entry of placed(state.entries(), report)) {
      entries++
      yield entry
    }
    isComplete = true
  }
  const defaults: VerifyStages = {
    unpack: unpack(counted(), chain.openArchive),
    filter: passAll,
    patch: patch(),
    prove: prove(options, report)
  }
  const stages = chooseStages(defaults, options.stages, passAll)
  const proven = await pipe(stages.unpack, stages.filter, stages.patch, stages.prove, { signal: options.signal })
  if (isComplete && entries !== totals.entries) {
    const message = `The state of ${date} has ${entries} entries, not the ${totals.entries} that it counts`
    report(new BackupError('IBT_STATE_INVALID', message, { path: chain.key }))
  }
  return proven
}

/** Reports the first entry that could not be restored where it belongs, which the reader of a state does not look for. */
async function* placed(entries: Source<StateEntry>, report: Report): AsyncGenerator<StateEntry, void, undefined> {
  let check: EntryCheck | undefined = new EntryCheck()
  for await (const entry of entries) {
    try {
      check?.add(entry)
    } catch (error) {
      check = undefined
      report(error)
    }
    yield entry
  }
}

/** Counts the entries, and with `readData` makes every file. */
function prove({ readData, onProgress, onLost }: VerifyOptions, report: Report): Sink<Entry, Proven> {
  return async function proveSink(source, { signal } = {}) {
    const counts = { entries: 0, files: 0, sizeBytes: 0 }
    const losses = new Losses()
    const lose = (path: string, error: unknown) => {
      signal?.throwIfAborted()
      onLost?.(path)
      if (!isBackupError(error) || !losses.add(path, error)) report(error)
    }
    for await (const entry of source) {
      const { path, type } = entry
      counts.entries++
      if (readData && type === 'file') await checkContent(entry, counts).catch(error => lose(path, error))
      onProgress?.({ path, ...counts, storedBytes: 0 })
    }
    for (const problem of losses.problems()) report(problem)
    return counts
  }
}

async function checkContent({ content }: Entry, counts: { files: number; sizeBytes: number }): Promise<void> {
  let sizeBytes = 0
  for await (const chunk of content?.open() ?? []) sizeBytes += chunk.length
  counts.files++
  counts.sizeBytes += sizeBytes
}

function digestMismatch(what: string, found: string, wanted: string): BackupError {
  return new BackupError('IBT_HASH_MISMATCH', `${what} has the SHA-256 ${found}, not ${wanted}`, { path: what })
}
