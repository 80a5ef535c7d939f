import { batchesOf, isBatch, toBatch, toBatchSource } from '../flow/batches.js'
import type { BatchSource, PlaceName, Source, StateEntry } from '../types.js'

/** Whether the content under a path is to be erased. */
export type Matches = (path: string) => boolean

/** What is erased from a backup. */
export interface Erasing {
  readonly matches: Matches
  /** When it is: the entries say so. */
  readonly date: string
  /** Whether a body of an earlier backup is going to be erased. */
  readonly isLost: (body: PlaceName) => boolean
}

/** Whether an entry has a content that is to be erased. */
export function isErased({ path, type, places }: StateEntry, matches: Matches): boolean {
  return type === 'file' && places !== undefined && matches(path)
}

/** The entries of a state, those without their content that are to be erased. Without `erasing`, all as they are. */
export function eraseEntries<T extends StateEntry>(source: Source<T>, erasing: Erasing | undefined): Source<T> {
  if (erasing === undefined) return source
  const each = (entry: T) => (isErased(entry, erasing.matches) ? (erasedEntry(entry, erasing.date) as T) : entry)
  return toBatchSource(async function* () {
    for await (const item of batchesOf(source)) yield isBatch(item) ? toBatch(Array.from(item, each)) : each(item)
  }) satisfies BatchSource<T>
}

/**
 * What is left of an entry. To a reader that does not know `erased` it could not be read: it reports that, and restores
 * nothing. Size and digest would let a short content be guessed, and attributes may hold anything.
 */
function erasedEntry({ path, mode, uid, gid, uname, gname, mtimeNs }: StateEntry, erased: string): StateEntry {
  return { path, type: 'unreadable', mode, uid, gid, uname, gname, mtimeNs, erased }
}
