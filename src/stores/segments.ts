import { parseSegmentName } from '../format/names.js'
import type { StoredName } from '../types.js'

/**
 * The record of a segment that a merge has finished: what the merged state will say of its entries. While it is there,
 * the artifacts of its date wait for the rest of the merge.
 */
export interface StoredSegment extends StoredName {
  readonly date: string
  /** The date that is merged. */
  readonly asOf: string
  readonly suffixes: readonly string[]
}

/** The records of segments of a key among the names of a store, by their dates. */
export function findSegments(stored: readonly StoredName[], key: string): StoredSegment[] {
  const found: StoredSegment[] = []
  for (const listed of stored) {
    const parsed = parseSegmentName(listed.name)
    if (parsed?.key !== key) continue
    const { date, asOf, suffixes } = parsed
    found.push({ ...listed, date, asOf, suffixes })
  }
  return found.sort((a, b) => (a.date < b.date ? -1 : 1))
}
