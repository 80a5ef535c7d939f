import { BackupError } from '../errors.js'
import { Cursor } from '../flow/cursor.js'
import { printPath } from '../path.js'
import { isPacked, type MergedEntry, type Packed, type Piece, type Place, type Source, type Stage } from '../types.js'

/** Options of `recordMerged`. */
export interface RecordMergedOptions {
  /** Whether the places up to a date stay as they are. Default: no place does. */
  readonly stays?: ((date: string) => boolean) | undefined
  /** Whether a place is in what was packed, now or in an earlier segment. Default: what was packed now has no date yet. */
  readonly isNew?: ((date: string) => boolean) | undefined
}

/**
 * Makes the state of what was packed say all that the state says which it stands for, but where the contents are now; and
 * what that was.
 *
 * Consumes `Packed` in step with `written`, the entries of that state; other items pass on. Order kept.
 *
 * @throws BackupError IBT_STATE_INVALID if the two are not of the same entries.
 */
export function recordMerged(
  written: Source<MergedEntry>,
  { stays = () => false, isNew = date => date === '' }: RecordMergedOptions = {}
): Stage<Packed | Piece> {
  return async function* recordMergedStage(source) {
    const cursor = new Cursor(written)
    try {
      for await (const item of source) {
        if (!isPacked(item)) {
          yield item
          continue
        }
        if (item.error !== undefined) throw item.error
        const { value: entry, done } = await cursor.next()
        if (done || entry.path !== item.path || entry.type !== item.type) throw unequal(item.path)
        yield { ...item, state: merged(entry, item, { stays, isNew }) }
      }
      const { value: left, done } = await cursor.next()
      if (!done) throw unequal(left.path)
    } finally {
      await cursor.close()
    }
  }
}

function merged(
  entry: MergedEntry,
  { state }: Packed,
  { stays, isNew }: Required<Record<keyof RecordMergedOptions, (date: string) => boolean>>
): MergedEntry {
  const { places = [], knownAs = [] } = entry
  const stored = state?.places?.at(-1)
  // What was not stored is where it was.
  if (stored === undefined || !isNew(stored.date)) {
    const hasSignature = entry.signature === undefined || stays(entry.signature.date)
    return hasSignature ? entry : { ...entry, signature: undefined }
  }
  const last = places.at(-1)
  const names = [...(last === undefined ? [] : [last]), ...knownAs]
  const before = state!.places!.length === 1 ? [] : places.filter(({ date }: Place) => stays(date))
  return {
    ...entry,
    // The content has been made whole, and proven by the digest of its signature.
    sha256: entry.sha256 ?? (entry.signatureDigest && state!.sha256),
    places: [...before, stored],
    signature: state!.signature,
    ...(names.length > 0 && { knownAs: names })
  }
}

function unequal(path: string): BackupError {
  const message = `${printPath(path)} is not the entry that the state to be merged has at its place`
  return new BackupError('IBT_STATE_INVALID', message, { path })
}
