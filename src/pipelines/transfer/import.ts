import { type ReceivedVolume, readVolumes } from '../../bundle/read-volumes.js'
import { Staging } from '../../bundle/staging.js'
import { isLast, type Volume } from '../../bundle/volume.js'
import { BackupError } from '../../errors.js'
import { traceRun } from '../../flow/tracing.js'
import { asBuffer, ByteReader } from '../../format/byte-reader.js'
import { parseArtifactName } from '../../format/names.js'
import { pipe } from '../../interop/pipe.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import { openPlaces } from '../../places/places.js'
import { listStored } from '../../stores/backup-names.js'
import { acquireLock, type Lock, releaseLock } from '../../stores/lock.js'
import type { Source, Store, StoreOptions } from '../../types.js'
import { checkNames } from '../check-names.js'
import { checkMounted } from '../mounted.js'
import type { Progress, RunOptions } from '../options.js'
import { checkSigner } from '../signed.js'
import { Commit } from './import-commit.js'

/** Options of `importBackups`. */
export interface ImportOptions extends LockedOptions, Pick<RunOptions, 'init'> {
  /** Refuses artifacts of every other key. Default: the key of the first artifact. */
  readonly key?: string | undefined
  /** Called as bytes come in. An entry is an artifact. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** What an import has stored. */
export interface ImportReport {
  /** Undefined if the bundle was empty. */
  readonly key: string | undefined
  /** Of the backups that the store did not have. */
  readonly dates: readonly string[]
  /** Artifacts that were stored. */
  readonly artifacts: number
  /** Artifacts of the bundle that the store had already. */
  readonly skippedArtifacts: number
  /** That came in. */
  readonly sizeBytes: number
}

/**
 * Stores the backups of a bundle, under the lock on their key. Until all that a state needs has arrived, the store keeps
 * the volumes under names that no reader takes for a backup: an import that is cut off, or killed, can go on behind the
 * last whole volume (`listArrived`). Then the artifacts are joined, each is checked against the digest in its state, and
 * the state is stored last. Disk: what is joined is there twice for a moment, one artifact at a time.
 * The sender need not be trusted: nothing but artifacts of one key is written, and none that is there is replaced.
 * Memory: one chunk of the source, and the names of the store.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED for a bundle that was cut off or has no state; IBT_BASIS_MISSING if a state
 * needs an artifact that is neither in the bundle nor in the store; IBT_NAME_TAKEN for another artifact of the same name;
 * IBT_HASH_MISMATCH, IBT_NAME_INVALID, IBT_LOCKED, IBT_STORE_EMPTY, and what reading the states and the store throw.
 */
export function importBackups(source: Source<Uint8Array>, options: ImportOptions = {}): Promise<ImportReport> {
  return traceRun({ operation: 'import', key: options.key }, () => importBundle(source, options))
}

async function importBundle(source: Source<Uint8Array>, options: ImportOptions): Promise<ImportReport> {
  const { key, signal } = options
  let importing: Importing | undefined
  try {
    // A socket stays open, so that it can be answered on.
    const volumes = pipe(source, (bytes, context) => readVolumes(bytes, { key, ...context }), { signal })
    for await (const received of volumes) {
      importing ??= await Importing.open(keyOf(received.volume), options)
      await importing.take(received)
    }
    // The receiver had all that was to be sent.
    if (importing === undefined) return { key, dates: [], artifacts: 0, skippedArtifacts: 0, sizeBytes: 0 }
    return await importing.finish()
  } finally {
    await importing?.close()
  }
}

function keyOf({ name }: Volume): string {
  return parseArtifactName(name)!.key
}

/** One import, which holds the lock on the key until it is closed. */
class Importing {
  readonly #arrived = new Set<string>()
  readonly #equal = new Set<string>()
  #sizeBytes = 0
  #hasState = false

  private constructor(
    readonly key: string,
    readonly store: Store,
    readonly lock: Lock,
    readonly staging: Staging,
    readonly commit: Commit,
    readonly options: ImportOptions
  ) {}

  static async open(key: string, options: ImportOptions): Promise<Importing> {
    const { signal, codecs, lockWaitMs } = options
    const places = openPlaces(options)
    if (!options.init) await checkMounted(places, key, options)
    const { store } = places
    const lock = await acquireLock(store, key, { signal, waitMs: lockWaitMs })
    try {
      const stored = await listStored(store, undefined, { signal })
      checkNames(stored, key)
      checkSigner(stored, key, options)
      await store.clean?.(key)
      const staging = new Staging(store, key, stored, { signal })
      // An import that was killed may have joined volumes that are still there.
      const names = new Set(stored.map(({ name }) => name))
      for (const { name } of staging.artifacts) if (names.has(name)) await staging.drop(name)
      const commit = new Commit(key, places.cached, stored, { lock, staging, codecs, signal })
      return new Importing(key, store, lock, staging, commit, options)
    } catch (error) {
      await releaseLock(lock, options.onError)
      throw error
    }
  }

  async take({ volume, bytes }: ReceivedVolume): Promise<void> {
    const { name, kind } = volume
    if (keyOf(volume) !== this.key) {
      throw new BackupError('IBT_NAME_INVALID', `${name} in the bundle is not an artifact of ${this.key}`, {
        path: name
      })
    }
    if (kind === 'state') this.#hasState = true
    const watched = this.#watch(name, bytes)
    const stored = this.commit.sizeOf(name)
    if (stored !== undefined) {
      await checkSame(volume, watched, stored, this.store, this.options)
      this.#equal.add(name)
      return
    }
    this.#arrived.add(name)
    await this.staging.add(volume, watched)
    if (kind === 'state' && isLast(volume)) await this.commit.add(name, volume.whole)
  }

  async finish(): Promise<ImportReport> {
    if (!this.#hasState && this.#arrived.size > 0) {
      const message = `The bundle has no state of ${this.key}: what has arrived waits for it`
      throw new BackupError('IBT_ARCHIVE_TRUNCATED', message, { path: this.key })
    }
    await this.commit.finish()
    // What no state needs would never be looked at again.
    for (const name of this.#arrived) await this.staging.drop(name)
    const { dates, artifacts } = this.commit
    return { key: this.key, dates, artifacts, skippedArtifacts: this.#equal.size, sizeBytes: this.#sizeBytes }
  }

  close(): Promise<void> {
    return releaseLock(this.lock, this.options.onError)
  }

  async *#watch(path: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const artifacts = this.#arrived.size + this.#equal.size
    for await (const bytes of source) {
      this.#sizeBytes += bytes.length
      const sizeBytes = this.#sizeBytes
      this.options.onProgress?.({ path, entries: artifacts, files: artifacts, sizeBytes, storedBytes: sizeBytes })
      yield bytes
    }
  }
}

/** @throws BackupError IBT_NAME_TAKEN if the store has other bytes under the name */
async function checkSame(
  { name, offset, sizeBytes, whole }: Volume,
  bytes: AsyncIterable<Uint8Array>,
  storedBytes: number,
  store: Store,
  { signal }: StoreOptions
): Promise<void> {
  const end = offset + sizeBytes
  const isPossible = whole === undefined ? end <= storedBytes : whole.sizeBytes === storedBytes
  if (!isPossible) throw taken(name)
  const stored = new ByteReader(store.get(name, { start: offset, end }, { signal }))
  try {
    for await (const chunk of bytes) {
      if (!asBuffer(chunk).equals(await stored.take(chunk.length))) throw taken(name)
    }
  } finally {
    await stored.close()
  }
}

function taken(name: string): BackupError {
  const message = `The store has another artifact of the name ${name}: it was not replaced`
  return new BackupError('IBT_NAME_TAKEN', message, { path: name })
}
