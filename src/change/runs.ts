import type { Placed } from '../format/entry-check.js'
import type { StateLine } from '../format/state-line.js'
import type { ArchiveKind } from '../types.js'
import type { PlacedPart } from './run-batch.js'

/** Entries that pass as one item: what is counted of them. */
export interface RunCounts {
  readonly entries: number
  /** Files among them, and their bytes. */
  readonly files: number
  readonly sizeBytes: number
  /** Of the last entry. */
  readonly lastPath: () => string
}

/**
 * Entries in a row that are just as the previous state says: `stateEmit` writes their lines again, and every other stage
 * lets them pass. Memory: a part of the state.
 */
export interface Kept extends RunCounts {
  readonly kept: StateLine
  readonly first: () => Placed
  readonly last: () => Placed
  /** What the lines refer to: `UsedKind`s by index in the chain. */
  readonly used: Uint8Array
}

/** Entries whose bytes have gone ahead: `stateEmit` writes their lines. */
export interface StoredRuns extends RunCounts {
  readonly stored: readonly StoredRun[]
}

/** One of them: where its headers, contents and signatures are. */
export interface StoredRun extends PlacedPart {
  readonly kind: ArchiveKind
  readonly base: number
  readonly signatures: Float64Array
}

/** Tells a `Kept` from other items. */
export function isKept(item: object): item is Kept {
  return 'kept' in item
}

/** Tells `StoredRuns` from other items. */
export function isStoredRuns(item: object): item is StoredRuns {
  return 'stored' in item
}

/** Memory that the lines of an item keep: a part of a state, as bytes and as text. */
export function keptBytes(item: object): number {
  return isKept(item) ? 2 * (item.kept.end - item.kept.start) : 0
}
