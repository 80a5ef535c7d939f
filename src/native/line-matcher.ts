import { addon, type DirectoryArguments, type Handle } from './addon.js'
import type { Listing } from './listing.js'

/** Kinds of artifacts that a line refers to, as bits. */
export const UsedKind = { full: 1, created: 2, updated: 4, sigvault: 8 } as const

/** How an entry and the lines of a state stand to each other: it is as its line says, or otherwise, or has no line. */
export const LineCode = { same: 0, different: 1, none: 2 } as const

/** What was found of entries of a directory in a row, by entry, the first at 0. */
export interface ComparedLines {
  /** `LineCode`s. */
  readonly codes: Uint8Array
  /** What the line says otherwise, as bits: `Difference` in src/change/compare.ts. */
  readonly differences: Uint8Array
  /** Where its line begins, where that ends, without the comma, and where the digits of its SHA-256 begin. */
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly digests: Uint32Array
  /** Entries that were compared; the lines end where the matcher says. */
  readonly count: number
}

/** A listed directory, and the bytes of its path: none for the root. */
export interface ListedColumns {
  readonly pathBytes: Uint8Array
  readonly listing: Listing
}

/** What the addon takes of it. */
export function directoryArguments({ pathBytes, listing }: ListedColumns): DirectoryArguments {
  const { columns, names, nameOffsets, linknames, linknameOffsets } = listing
  return [pathBytes, columns, names, nameOffsets, linknames, linknameOffsets]
}

/**
 * Compares listed entries with lines of a state where both are, as bytes: no object is made of either.
 *
 * An entry matches if its line says just what would be written of it now, and a content is recorded for every file.
 * Source: native/state/line_matcher.h.
 */
export class LineMatcher {
  readonly handle: Handle<'matcher'>
  readonly #found = new Float64Array(3)

  /** `chainLength`: how many dates the places of the lines can have. */
  constructor(chainLength: number) {
    this.handle = addon().createLineMatcher(chainLength)
  }

  /** How many entries from `begin` up to `end` match the lines from `start` on. */
  match(directory: ListedColumns, begin: number, end: number, lines: Uint8Array, start: number): number {
    const columns = directoryArguments(directory)
    return addon().matchLines(this.handle, ...columns, begin, end, lines, start, this.#found)
  }

  /**
   * Compares entries from `begin` up to `end` with the lines from `start` on, in path order. Stops before a line that is of
   * none of them, or that is not written exactly as ours are, and behind `sameMax` entries in a row that are the same.
   */
  compare(
    directory: ListedColumns,
    { begin, end }: { readonly begin: number; readonly end: number },
    { lines, start }: { readonly lines: Uint8Array; readonly start: number },
    sameMax: number
  ): ComparedLines {
    const room = end - begin
    const codes = new Uint8Array(room)
    const differences = new Uint8Array(room)
    const [starts, ends, digests] = [new Uint32Array(room), new Uint32Array(room), new Uint32Array(room)]
    const columns = directoryArguments(directory)
    const found = [codes, differences, starts, ends, digests, this.#found] as const
    const count = addon().compareLines(this.handle, ...columns, begin, end, lines, start, sameMax, ...found)
    return { codes, differences, starts, ends, digests, count }
  }

  /** Where the lines end that matched, or were compared, last. */
  get end(): number {
    return this.#found[0]!
  }

  /** Files among them. */
  get files(): number {
    return this.#found[1]!
  }

  /** Bytes of those files. */
  get sizeBytes(): number {
    return this.#found[2]!
  }

  /** The kinds of artifacts that the lines refer to that matched since the last call: `UsedKind`s by index in the chain. */
  takeUsed(): Uint8Array {
    return addon().usedByLines(this.handle)
  }
}
