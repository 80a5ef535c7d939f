import { findEntry, onlyWithin } from '../../catalog/open-chain.js'
import type { BackupError } from '../../errors.js'
import { batchesOf, toBatchSource } from '../../flow/batches.js'
import { traceRun } from '../../flow/tracing.js'
import { pipe } from '../../interop/pipe.js'
import { decodePath, parentPath, ROOT_PATH } from '../../path.js'
import { parseAt } from '../../places/at.js'
import type { PlaceOptions } from '../../places/options.js'
import { checkNamed, openPlaces, type Places } from '../../places/places.js'
import { checkThawed } from '../../plan/thawed.js'
import { Dropped } from '../../restore/dropped.js'
import { createSelection, type Selection } from '../../rules.js'
import { filter } from '../../stages/filter.js'
import { observe } from '../../stages/observe.js'
import { patch } from '../../stages/patch.js'
import { unpack } from '../../stages/unpack.js'
import { type Overwrite, type Written, write } from '../../stages/write.js'
import { Chain } from '../../stores/chain.js'
import { countReads } from '../../stores/count-reads.js'
import type { Change, Entry, EntryType, Layered, Sink, Source, Stage, StateClosing, StateEntry } from '../../types.js'
import { chooseStages, passAll, type StagesOption } from '../choose-stages.js'
import type { Progress } from '../options.js'

/** The stages of a restore, by name. */
export interface RestoreStages {
  readonly unpack: Source<Layered>
  readonly filter: Stage<Layered>
  readonly patch: Stage<Layered, Entry>
  readonly write: Sink<Entry, Written>
}

/** What was read of the archives that a backup needs: of contents, not of states and sigvaults. */
export interface ArchiveReads {
  /** Archives of which something was read. */
  readonly archives: number
  /** Archives that the backup needs. Undefined where another `unpack` has read no state. */
  readonly ofArchives: number | undefined
  /** Bytes that were read of them as they are stored, also those that were read again. */
  readonly storedBytes: number
  /** Bytes of all archives that the backup needs. */
  readonly ofStoredBytes: number | undefined
  /** Calls of the store's `get` for that. */
  readonly requests: number
}

/** What is restored, and who is told. */
export interface SelectOptions extends PlaceOptions {
  /** The newest backup made at or before it: a `Date`, ISO, or words such as `3 days ago`. Default: the newest. */
  readonly at?: Date | string | undefined
  /** Patterns of what is restored, as in an ignore file, with all that lies below. Default: everything. */
  readonly paths?: readonly string[] | undefined
  /** Called for every entry that has passed. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Observes what could not be restored; the run ends if it throws. */
  readonly onError?: ((error: BackupError) => void) | undefined
}

/** Options of `restoreBackup`. */
export interface RestoreOptions extends SelectOptions {
  /** Owners by the name that the backup has, by number, or not at all. Default: by name for root, else not at all. */
  readonly owners?: 'name' | 'number' | 'none' | undefined
  /** What becomes of existing files in the destination; see `write`. Default: one that is not empty is refused. */
  readonly overwrite?: Overwrite | undefined
  /**
   * Deletes everything in the directories of the backup that the backup does not have; with `paths`, in the selected
   * directories only. What a stage of your own drops is in the backup, so it is not deleted. The store and the cache
   * stay where they are, as in every restore. Requires `overwrite`.
   */
  readonly delete?: boolean | undefined
  /** Writes, deletes and reads no content, and counts what it would do; a destination that is not there is not made. */
  readonly dryRun?: boolean | undefined
  /** With `dryRun`: observes each change that would be made. */
  readonly onChange?: ((change: Change) => void) | undefined
  /** Replaces stages of the pipeline, by name: a record, or a function of the pipeline's own. */
  readonly stages?: StagesOption<RestoreStages> | undefined
}

/** What a restore has done. */
export interface RestoreReport extends Written {
  readonly key: string
  readonly date: string
  readonly destination: string
  /** Nothing was written: the report says what would be. */
  readonly dryRun: boolean
  readonly reads: ArchiveReads
}

/**
 * Restores a directory as it was at a date, into a directory that is empty or not there yet, or with `overwrite` over
 * what is there: the source itself, too. Every content is proven by its SHA-256 before its name appears.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_NOT_EMPTY, IBT_HASH_MISMATCH, IBT_ARCHIVED for archives that have to be thawed
 * before, when nothing is written yet, and what the stages throw.
 * @throws RangeError if the destination is the store or the cache, or an empty path.
 */
export function restoreBackup(
  key: string,
  destination: string | Uint8Array,
  options: RestoreOptions = {}
): Promise<RestoreReport> {
  return traceRun({ operation: 'restore', key }, () => restore(key, destination, options))
}

async function restore(key: string, destination: string | Uint8Array, options: RestoreOptions): Promise<RestoreReport> {
  const { signal, owners, overwrite, dryRun = false, onChange, onError } = options
  signal?.throwIfAborted()
  const path = typeof destination === 'string' ? destination : decodePath(destination)
  checkNamed('destination', path)
  const places = openPlaces(options)
  const selected = await selectEntries(key, places, options)
  const { selection } = selected
  const dropped = options.delete && options.stages !== undefined ? new Dropped() : undefined
  const deletes = (path: string, type: EntryType) =>
    options.delete === true && selection?.selects(path, type) !== false && dropped?.has(path) !== true
  const protect = [...(places.store.places ?? []), ...(places.cache?.places ?? [])]
  const isLeading = ({ path }: Entry) => selection?.selects(path, 'directory') === false
  const deleted = options.delete && deletes
  const writes = write(destination, {
    ...{ owners, overwrite, delete: deleted, protect, isLeading },
    ...{ dryRun, onChange, onError }
  })
  const defaults: RestoreStages = {
    unpack: selected.unpack,
    filter: selected.filter,
    patch: patch({ spoolDirectory: destination }),
    write: dropped === undefined ? writes : (source, context) => writes(dropped.after(source), context)
  }
  const stages = chooseStages(defaults, options.stages, selected.filter)
  const unpacked =
    dropped === undefined ? stages.unpack : dropped.before(pipe(stages.unpack, selected.filter, { signal }))
  const watch: Stage<Entry> = options.onProgress === undefined ? passAll : observe(progress(options))
  const written = await pipe(unpacked, stages.filter, stages.patch, watch, stages.write, { signal })
  return { key, date: selected.date, destination: path, dryRun, ...written, reads: await selected.reads() }
}

/** What a restore begins with. */
export interface SelectedEntries {
  readonly date: string
  readonly selection: Selection | undefined
  readonly unpack: Source<Layered>
  readonly filter: Stage<Layered>
  /** After the last entry. */
  readonly reads: () => Promise<ArchiveReads>
}

/** Finds the backup of a date, and the selected entries of it. @throws BackupError IBT_NO_BACKUP, IBT_ARCHIVED */
export async function selectEntries(
  key: string,
  { cached, peeked }: Places,
  { at, paths, codecs, signal }: SelectOptions
): Promise<SelectedEntries> {
  const selection = paths === undefined ? undefined : createSelection(paths)
  const within = selection?.within
  // Of a state that is read in part, the cache does not fetch the rest.
  const { store, counts } = countReads(within === undefined ? cached : peeked)
  const chain = await Chain.open(store, key, { codecs, signal })
  const { date } = chain.at(await parseAt(at))
  await checkThawed(chain, date, selection)
  let closing: StateClosing | undefined
  let isReadInPart = false
  const entries = toBatchSource(async function* () {
    if (within !== undefined) {
      isReadInPart = true
      return yield* entriesLeadingTo(chain, date, within)
    }
    const state = await chain.state(date)
    yield* batchesOf(state.entries())
    closing = state.closing()
  })
  return {
    date,
    selection,
    unpack: unpack(entries, chain.openArchive),
    filter: selection === undefined ? passAll : filter(selection),
    reads: async () => {
      const isMerged = chain.artifacts.some(({ asOf }) => asOf !== undefined)
      // What a state was written with may be in merged archives by now. That the report cannot say it fails no restore.
      const artifacts = isMerged || isReadInPart ? await chain.needs(date).catch(() => undefined) : closing?.artifacts
      const needed = artifacts?.filter(({ kind }) => kind !== 'sigvault' && kind !== 'state')
      const ofStoredBytes = needed?.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      return { ...counts(), ofArchives: needed?.length, ofStoredBytes }
    }
  }
}

/** The entry of a path, all below it, and the directories above it, without the rest of the state. */
async function* entriesLeadingTo(
  chain: Chain,
  date: string,
  path: string
): AsyncGenerator<StateEntry, void, undefined> {
  const above: string[] = []
  for (let at = path; at !== ROOT_PATH; ) above.unshift((at = parentPath(at)))
  for (const one of above) {
    const found = await findEntry(chain, date, one)
    if (found !== undefined) yield found
  }
  yield* onlyWithin(chain.entries(date, { from: path }), path)
}

/** Counts the entries that pass. */
export function progress({ onProgress }: SelectOptions): (entry: Entry) => void {
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
