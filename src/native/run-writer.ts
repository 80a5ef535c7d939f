import { addon, type FileArguments, type Handle } from './addon.js'
import type { FileBatch } from './batch.js'
import { directoryArguments, type ListedColumns } from './line-matcher.js'

/** Entries of a directory in a row, whose files were read in a batch, the first of them as the file `first`. */
export interface PlacedRun {
  readonly directory: ListedColumns
  readonly begin: number
  readonly end: number
  readonly batch: FileBatch
  readonly first: number
}

/** Where things of a run are in archives. */
export interface RunPlaces {
  /** Bytes from `base` to the header of each entry. */
  readonly places: Float64Array
  readonly base: number
  /** Offsets of signatures in the sigvault; -1 for an entry that has none. */
  readonly signatures: Float64Array
  /** Index of the backup's date in its chain. */
  readonly date: number
  /** Archive of the contents. */
  readonly kind: string
}

/**
 * Writes what an archive and a state say of listed entries, without an object for any of them: byte by byte what
 * `encodeEntry` and `encodeStateEntry` write. For plain entries only: files, directories and symlinks whose names and
 * numbers fit into a tar header and need no escape in JSON.
 * Source: native/tar/header.h, native/state/run_lines.h.
 */
export class RunWriter {
  readonly #handle: Handle<'run writer'> = addon().createRunWriter()

  /** Bytes of the tar header of each entry from `begin` up to `end`; 0 for one that is not plain. */
  plan(directory: ListedColumns, begin: number, end: number): Uint32Array {
    return addon().planHeaders(this.#handle, ...directoryArguments(directory), begin, end)
  }

  /**
   * Writes headers before the contents of a run, which begins at `at` in the slab, and notes in `places` where each is.
   * Where the run ends, or undefined if a content does not stand where its header would leave it.
   */
  headers(run: PlacedRun, slab: Uint8Array, at: number, places: Float64Array): number | undefined {
    const { directory, begin, end, batch } = run
    const entries = directoryArguments(directory)
    const files = fileArguments(run)
    const { offsets } = batch
    const next = addon().writeHeaders(this.#handle, ...entries, ...files, begin, end, offsets, slab, at, places)
    return next < 0 ? undefined : next
  }

  /** The lines of a run that was stored, with a comma and a line feed between them. */
  lines(run: PlacedRun, { places, base, signatures, date, kind }: RunPlaces): Buffer {
    const { directory, begin, end, batch } = run
    const entries = directoryArguments(directory)
    const files = fileArguments(run)
    const { flags, sha256 } = batch
    const at = [places, base, signatures, date, kind] as const
    return addon().writeLines(this.#handle, ...entries, ...files, begin, end, flags, sha256, ...at)
  }
}

function fileArguments({ batch, first }: PlacedRun): FileArguments {
  return [batch.columns, batch.count, first]
}
