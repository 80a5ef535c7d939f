import type { BackupError } from '../errors.js'
import { pipe } from '../interop/pipe.js'
import { createSelection } from '../rules.js'
import { filter } from '../stages/filter.js'
import { observe } from '../stages/observe.js'
import { patch } from '../stages/patch.js'
import { unpack } from '../stages/unpack.js'
import { type Written, write } from '../stages/write.js'
import { Chain } from '../stores/chain.js'
import type { Entry, Layered, Sink, Source, Stage } from '../types.js'
import { parseAt } from './at.js'
import type { PlaceOptions, Progress } from './options.js'
import { openPlaces } from './places.js'

/** The stages of a restore, by name. */
export interface RestoreStages {
  readonly unpack: Source<Layered>
  readonly filter: Stage<Layered>
  readonly patch: Stage<Layered, Entry>
  readonly write: Sink<Entry, Written>
}

export interface RestoreOptions extends PlaceOptions {
  /** The newest backup that is not younger: a `Date`, ISO, or words such as `3 days ago`. Default: the newest. */
  readonly at?: Date | string | undefined
  /** Patterns of what is restored, as in an ignore file, with all that lies below. Default: everything. */
  readonly paths?: readonly string[] | undefined
  /** Owners by the name that the backup has, by number, or not at all. Default: by name for root, else not at all. */
  readonly owners?: 'name' | 'number' | 'none' | undefined
  /** Called for every entry that has passed. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Observes what could not be written; the run ends if it throws. */
  readonly onError?: ((error: BackupError) => void) | undefined
  /** Replaces stages of the pipeline, by name. */
  readonly stages?: Partial<RestoreStages> | undefined
}

/** What a restore has done. */
export interface RestoreReport extends Written {
  readonly key: string
  readonly date: string
  readonly destination: string
}

/**
 * Restores a directory as it was at a date, into a directory that is empty or not there yet.
 * Every content is proven by its SHA-256 before its name appears.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_NOT_EMPTY, IBT_HASH_MISMATCH, and what the stages throw.
 */
export async function restoreBackup(
  key: string,
  destination: string,
  options: RestoreOptions = {}
): Promise<RestoreReport> {
  const { signal } = options
  signal?.throwIfAborted()
  const chain = await Chain.open(openPlaces(options).cached, key, { signal })
  const { date } = chain.at(await parseAt(options.at))
  const stages: RestoreStages = {
    unpack: unpack(chain.entries(date), chain.openArchive),
    filter: options.paths === undefined ? observe(() => {}) : filter(createSelection(options.paths)),
    patch: patch({ spoolDirectory: destination }),
    write: write(destination, options),
    ...options.stages
  }
  const written = await pipe(stages.unpack, stages.filter, stages.patch, observe(progress(options)), stages.write, {
    signal
  })
  return { key, date, destination, ...written }
}

function progress({ onProgress }: RestoreOptions): (entry: Entry) => void {
  let entries = 0
  let files = 0
  let sizeBytes = 0
  return ({ path, type, sizeBytes: bytes = 0 }) => {
    entries++
    if (type === 'file') files++
    sizeBytes += bytes
    onProgress?.({ path, entries, files, sizeBytes, storedBytes: 0 })
  }
}
