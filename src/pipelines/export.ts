import type { Arrived } from '../bundle/arrived.js'
import { type BundleOptions, checkVolumeBytes, knownVolumes, type ResumePoint } from '../bundle/write-volumes.js'
import { BackupError } from '../errors.js'
import { traceRun } from '../flow/tracing.js'
import { END_OF_ARCHIVE } from '../format/tar-encode.js'
import type { ForeignSink } from '../interop/foreign.js'
import { pipe } from '../interop/pipe.js'
import { parseAt } from '../places/at.js'
import type { AtOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import { Chain, listStored } from '../stores/chain.js'
import type { SealedArtifact, Sink, Store, StoredName } from '../types.js'
import type { Progress } from './options.js'

/** Options of `exportBackups`. */
export interface ExportOptions extends AtOptions, BundleOptions {
  /** Every backup of the key, oldest first, instead of one. */
  readonly all?: boolean | undefined
  /** What the receiver has already (`listArrived`): it is left out, and an artifact goes on behind its last volume. */
  readonly arrived?: Arrived | undefined
  /** Called as bytes go out. An entry is an artifact. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** What an export has written. */
export interface ExportReport {
  readonly key: string
  /** Of the backups that are in it. */
  readonly dates: readonly string[]
  readonly artifacts: number
  /** Artifacts that the receiver had. */
  readonly skippedArtifacts: number
  /** Of artifacts, without the headers of the tar. */
  readonly sizeBytes: number
}

/**
 * Writes a backup, or all backups of a key, as one plain tar into a stream or any other sink: every artifact that they
 * need, each state behind what it needs. `importBackups` reads it, and so does any tar. Nothing is locked: what is removed
 * meanwhile ends the export with an error. Memory: one chunk, and the names of the key.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_BASIS_MISSING, IBT_HASH_MISMATCH if a stored artifact is not what its state says,
 * and what the store and the output throw: then the bundle is cut off.
 */
export function exportBackups(
  key: string,
  output: Sink<Uint8Array, unknown> | ForeignSink,
  options: ExportOptions = {}
): Promise<ExportReport> {
  return traceRun({ operation: 'export', key }, () => exportAll(key, output, options))
}

async function exportAll(
  key: string,
  output: Sink<Uint8Array, unknown> | ForeignSink,
  options: ExportOptions
): Promise<ExportReport> {
  const { signal, codecs, all = false, arrived, onProgress } = options
  const volumeBytes = checkVolumeBytes(options)
  if (all && options.at !== undefined) throw new TypeError('exportBackups: either all or at')
  if (arrived !== undefined && arrived.key !== key) {
    throw new RangeError(`The receiver has backups of ${arrived.key}, not of ${key}`)
  }
  const { cached } = openPlaces(options)
  const stored = await listStored(cached, `${key}.`, { signal })
  const chain = await Chain.open(cached, key, { signal, codecs, stored })
  const newest = chain.at(await parseAt(options.at)).date
  const dates = all ? chain.backups.map(({ date }) => date) : [newest]
  const artifacts = await neededBy(chain, dates)
  checkStored(artifacts, stored)
  const missing = missingOf(artifacts, arrived)
  const sizeBytes = missing.reduce((total, { artifact, from }) => total + artifact.sizeBytes - from.sizeBytes, 0)
  const count = new Counter(missing.length, sizeBytes, onProgress)
  await pipe(toTar(missing, cached, volumeBytes, count, signal), output, { signal })
  return { key, dates, artifacts: missing.length, skippedArtifacts: artifacts.length - missing.length, sizeBytes }
}

interface Part {
  readonly artifact: SealedArtifact
  readonly from: ResumePoint
}

async function* toTar(
  parts: readonly Part[],
  store: Store,
  volumeBytes: number,
  count: Counter,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const { artifact, from } of parts) {
    const { name } = artifact
    const read = (start: number) => count.pass(name, store.get(name, { start }, { signal }))
    yield* knownVolumes(artifact, read, volumeBytes, from)
    count.artifacts++
  }
  yield END_OF_ARCHIVE
}

/** What has gone out. */
class Counter {
  artifacts = 0
  #sizeBytes = 0
  readonly #total: Progress['total']

  constructor(
    artifacts: number,
    sizeBytes: number,
    readonly onProgress: ExportOptions['onProgress']
  ) {
    this.#total = { entries: artifacts, files: artifacts, sizeBytes }
  }

  async *pass(path: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const bytes of source) {
      this.#sizeBytes += bytes.length
      const sizeBytes = this.#sizeBytes
      const { artifacts } = this
      const counts = { entries: artifacts, files: artifacts, sizeBytes, storedBytes: sizeBytes }
      this.onProgress?.({ path, ...counts, total: this.#total })
      yield bytes
    }
  }
}

/** The artifacts of some dates, each once, and each state behind all that it needs. A sigvault that is gone is left out. */
async function neededBy(chain: Chain, dates: readonly string[]): Promise<SealedArtifact[]> {
  const needed = new Map<string, SealedArtifact>()
  for (const date of dates) {
    // The first one is the date's own state, and before it come those that it refers to.
    const artifacts = (await chain.needs(date)).toReversed()
    const states = artifacts.filter(({ kind }) => kind === 'state')
    for (const artifact of [...artifacts.filter(({ kind }) => kind !== 'state'), ...states]) {
      const { name, kind, date: own, sizeBytes } = artifact
      if (needed.has(name) || (kind === 'sigvault' && !chain.has(own, kind))) continue
      const sha256 = artifact.sha256 ?? (await chain.digest(own, kind))
      needed.set(name, { name, kind, sizeBytes, sha256 })
    }
  }
  return [...needed.values()]
}

/** Before a byte goes out. @throws BackupError IBT_BASIS_MISSING */
function checkStored(artifacts: readonly SealedArtifact[], stored: readonly StoredName[]): void {
  const sizes = new Map(stored.map(({ name, sizeBytes }) => [name, sizeBytes]))
  for (const { name, sizeBytes } of artifacts) {
    const found = sizes.get(name)
    if (found === sizeBytes) continue
    const what = found === undefined ? 'is not in the store' : `has ${found} bytes, not ${sizeBytes}`
    throw new BackupError('IBT_BASIS_MISSING', `${name} ${what}`, { path: name })
  }
}

const START: ResumePoint = { volumes: 0, sizeBytes: 0 }

/** What the receiver has not. A state goes out from its start: its last volume has the digest that is checked. */
function missingOf(artifacts: readonly SealedArtifact[], arrived: Arrived | undefined): Part[] {
  const found = new Map(arrived?.artifacts.map(artifact => [artifact.name, artifact]))
  const missing: Part[] = []
  for (const artifact of artifacts) {
    const { volumes, sizeBytes = 0 } = found.get(artifact.name) ?? {}
    if (sizeBytes === artifact.sizeBytes && (volumes === undefined || artifact.kind !== 'state')) continue
    const isPart = volumes !== undefined && sizeBytes < artifact.sizeBytes && artifact.kind !== 'state'
    missing.push({ artifact, from: isPart ? { volumes, sizeBytes } : START })
  }
  return missing
}
