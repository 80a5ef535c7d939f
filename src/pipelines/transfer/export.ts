import type { Arrived } from '../../bundle/arrived.js'
import { type BundleOptions, checkVolumeBytes, knownVolumes, type ResumePoint } from '../../bundle/write-volumes.js'
import { traceRun } from '../../flow/tracing.js'
import { END_OF_ARCHIVE } from '../../format/tar-encode.js'
import { type ForeignSink, toOutput } from '../../interop/foreign.js'
import { pipe } from '../../interop/pipe.js'
import { parseAt } from '../../places/at.js'
import type { AtOptions } from '../../places/options.js'
import { openPlaces } from '../../places/places.js'
import { listStored } from '../../stores/backup-names.js'
import { Chain, type NeededArtifact } from '../../stores/chain.js'
import type { SealedArtifact, Sink, Store } from '../../types.js'
import type { Progress } from '../options.js'
import { checkStored, neededBy, TransferCounter } from './transfer.js'

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
  const needed = await neededBy(chain, dates)
  checkStored(needed, stored)
  const artifacts: SealedArtifact[] = []
  for (const artifact of needed) artifacts.push(await seal(chain, artifact))
  const missing = missingOf(artifacts, arrived)
  const sizeBytes = missing.reduce((total, { artifact, from }) => total + artifact.sizeBytes - from.sizeBytes, 0)
  const count = new TransferCounter(missing.length, sizeBytes, onProgress)
  await pipe(toTar(missing, cached, volumeBytes, count, signal), toOutput(output), { signal })
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
  count: TransferCounter,
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

/** A volume of a state says the digest of the state, which no state has of itself. */
async function seal(chain: Chain, { name, kind, date, sizeBytes, sha256 }: NeededArtifact): Promise<SealedArtifact> {
  return { name, kind, sizeBytes, sha256: sha256 ?? (await chain.digest(date, kind)) }
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
