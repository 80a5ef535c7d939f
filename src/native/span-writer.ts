import { addon, type FileArguments, type Handle } from './addon.js'
import type { FileBatch } from './batch.js'
import { directoryArguments, type LineMatcher, type ListedColumns } from './line-matcher.js'

/**
 * What is written of an entry: it was stored; or its line is copied; or its content is where it was, and its metadata are
 * new, as they were listed or, of a file that was read, at the read.
 */
export const Treatment = { stored: 0, copied: 1, touched: 2, same: 3 } as const

/** The lines that the previous state has of entries in a row, by entry. */
export interface PreviousLines {
  /** `Treatment`s. */
  readonly treatments: Uint8Array
  readonly lines: Uint8Array
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly digests: Uint32Array
}

/** Entries of a directory in a row; the files that were stored were read in a batch, the first of them as the file `first`. */
export interface PlacedSpan {
  readonly directory: ListedColumns
  readonly begin: number
  readonly end: number
  readonly batch: FileBatch
  readonly first: number
  /** Of an increment; undefined where all entries were stored. */
  readonly previous: PreviousLines | undefined
}

/** Where things of a span are in archives. */
export interface SpanPlaces {
  /** Bytes from `base` to the header of each entry that was stored. */
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
 * Source: native/tar/header.h, native/state/span_lines.h.
 */
export class SpanWriter {
  readonly #handle: Handle<'span writer'> = addon().createSpanWriter()

  /** Bytes of the tar header of each entry from `begin` up to `end`; 0 for one that is not plain. */
  plan(directory: ListedColumns, begin: number, end: number): Uint32Array {
    return addon().planHeaders(this.#handle, ...directoryArguments(directory), begin, end)
  }

  /**
   * Writes headers before the contents of a span, which begins at `at` in the slab, and notes in `places` where each is.
   * Where the span ends, or undefined if a content does not stand where its header would leave it.
   */
  headers(span: PlacedSpan, slab: Uint8Array, at: number, places: Float64Array): number | undefined {
    const { directory, begin, end, batch, previous } = span
    const entries = directoryArguments(directory)
    const files = fileArguments(span)
    const rest = [begin, end, batch.offsets, slab, at, places, previous?.treatments] as const
    const next = addon().writeHeaders(this.#handle, ...entries, ...files, ...rest)
    return next < 0 ? undefined : next
  }

  /**
   * The lines of a span, with a comma and a line feed between them. What copied lines refer to is noted by the matcher of
   * the state that they are of.
   */
  lines(span: PlacedSpan, { places, base, signatures, date, kind }: SpanPlaces, matcher?: LineMatcher): Buffer {
    const { directory, begin, end, batch, previous } = span
    const entries = directoryArguments(directory)
    const files = fileArguments(span)
    const { flags, sha256 } = batch
    const at = [places, base, signatures, date, kind] as const
    if (previous === undefined || matcher === undefined) {
      return addon().writeLines(this.#handle, ...entries, ...files, begin, end, flags, sha256, ...at)
    }
    const { treatments, lines, starts, ends, digests } = previous
    const before = [treatments, lines, starts, ends, digests, matcher.handle] as const
    return addon().writeLines(this.#handle, ...entries, ...files, begin, end, flags, sha256, ...at, ...before)
  }
}

function fileArguments({ batch, first }: PlacedSpan): FileArguments {
  return [batch.columns, batch.count, first]
}
