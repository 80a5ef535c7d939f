import { toUnreadable } from '../change/decide-body.js'
import { isUnchangedSpan } from '../change/unchanged.js'
import { BackupError } from '../errors.js'
import { batchStage, isBatch, toBatch } from '../flow/batches.js'
import { type Change, type Entry, isEntry, type Stage } from '../types.js'

/**
 * Leaves new files for a later run when those of this one have a number of bytes.
 *
 * Consumes and yields `Change`, or `Entry` in a full; other items pass on. Order kept. No look-ahead.
 * What is left is `unreadable` in the state, so that the next run takes it for new, and no restore takes it for restored.
 * A file that the previous backup has is never left: its old content would have to be. The first new file always passes.
 */
export class Checkpoint {
  postponedFiles = 0
  /** Why those are unreadable: a reason to count them, and none to tell of each. */
  readonly error = new BackupError('IBT_READ_FAILED', 'The file is left to the next run')
  readonly stage: Stage<Change>
  #bytes = 0

  constructor(readonly maxBytes: number) {
    const pass = (item: Change) => this.#pass(item)
    this.stage = batchStage<Change>(async function* checkpointStage(source) {
      for await (const item of source) {
        if (!isBatch(item)) yield pass(item)
        else yield isUnchangedSpan(item) ? item : toBatch(Array.from(item, pass), item)
      }
    })
  }

  #pass(item: Change): Change {
    if (!isEntry(item) || !isNew(item)) return item
    const { sizeBytes = 0 } = item
    if (this.#bytes === 0 || this.#bytes + sizeBytes <= this.maxBytes) {
      this.#bytes += sizeBytes
      return item
    }
    this.postponedFiles++
    return toUnreadable(item, this.error)
  }
}

/** Of a full, entries were not compared. */
function isNew({ type, content, change, previous }: Entry & Partial<Change>): boolean {
  const isRead =
    type === 'file' && content !== undefined && (change === undefined || change === 'created' || change === 'updated')
  return isRead && previous?.sha256 === undefined
}
