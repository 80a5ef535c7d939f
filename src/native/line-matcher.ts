import { addon, type Handle } from './addon.js'
import type { Listing } from './listing.js'

/** Kinds of artifacts that a line refers to, as bits. */
export const UsedKind = { full: 1, created: 2, updated: 4, sigvault: 8 } as const

/** A listed directory, and which of its entries were compared. */
export interface MatchPlace {
  /** Bytes of the directory's path; empty for the root. */
  readonly pathBytes: Uint8Array
  readonly listing: Listing
  /** An entry, and where its names begin: for the matcher alone. */
  readonly place: Float64Array
}

/** Index, name and linkname. */
export const PLACE_LENGTH = 3

/**
 * Compares listed entries with lines of a state where both are, as bytes: no object is made of either.
 *
 * An entry matches if its line says just what would be written of it now, and a content is recorded for every file.
 * The entries of one directory are compared in their order.
 * Source: native/state/line_matcher.h.
 */
export class LineMatcher {
  readonly #handle: Handle<'matcher'>
  readonly #found = new Float64Array(3)

  /** `chainLength`: how many dates the places of the lines can have. */
  constructor(chainLength: number) {
    this.#handle = addon().createLineMatcher(chainLength)
  }

  /** How many entries from `begin` up to `end` match the lines from `start` on. */
  match(place: MatchPlace, begin: number, end: number, lines: Uint8Array, start: number): number {
    const { pathBytes, listing } = place
    const { columns, count, names, linknames } = listing
    return addon().matchLines(
      this.#handle,
      pathBytes,
      columns,
      count,
      names,
      linknames,
      place.place,
      begin,
      end,
      lines,
      start,
      this.#found
    )
  }

  /** Where the lines end that matched last. */
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
    return addon().usedByLines(this.#handle)
  }
}
