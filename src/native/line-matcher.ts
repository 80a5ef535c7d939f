import { addon, type DirectoryArguments, type Handle } from './addon.js'
import type { Listing } from './listing.js'

/** Kinds of artifacts that a line refers to, as bits. */
export const UsedKind = { full: 1, created: 2, updated: 4, sigvault: 8 } as const

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
  readonly #handle: Handle<'matcher'>
  readonly #found = new Float64Array(3)

  /** `chainLength`: how many dates the places of the lines can have. */
  constructor(chainLength: number) {
    this.#handle = addon().createLineMatcher(chainLength)
  }

  /** How many entries from `begin` up to `end` match the lines from `start` on. */
  match(directory: ListedColumns, begin: number, end: number, lines: Uint8Array, start: number): number {
    const columns = directoryArguments(directory)
    return addon().matchLines(this.#handle, ...columns, begin, end, lines, start, this.#found)
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
