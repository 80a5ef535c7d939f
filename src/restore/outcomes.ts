import { BackupError } from '../errors.js'
import { Operation, type Unset } from '../native.js'
import { printPath } from '../path.js'
import type { OperationObserver } from './operation-queue.js'
import type { PathOperation } from './operations.js'
import type { Restorable } from './restored.js'
import type { Tally } from './tally.js'
import type { WrittenLinks } from './written-links.js'

/** Tells the tally what became of the operations of a restore. */
export class Outcomes implements OperationObserver {
  constructor(
    readonly tally: Tally,
    readonly links: WrittenLinks
  ) {}

  onDone({ restoration, completes, deletes }: PathOperation): void {
    if (restoration !== undefined && completes) this.tally.there(restoration)
    if (deletes) this.tally.deleted()
  }

  onUnset({ restoration, code }: PathOperation, unset: readonly Unset[]): void {
    // A new directory gets its metadata when it is left.
    if (restoration !== undefined && code !== Operation.makeDirectory) this.tally.incomplete(restoration, unset)
  }

  onSpared(operation: PathOperation): void {
    const { restoration, path } = operation
    this.tally.spared(restoration?.entry.path ?? path)
    if (restoration === undefined) return
    this.links.lose(operation.link)
    this.tally.failed(restoration, refusal(restoration.entry, 'is at or behind a mount point'))
  }

  onFailed({ code, path, restoration, deletes, link }: PathOperation, error: BackupError): void {
    const { tally } = this
    this.links.lose(link)
    const { code: errno } = error.cause as { code?: string }
    if (code === Operation.removeOne && errno === 'ENOTEMPTY') tally.spared(path)
    if (restoration !== undefined) tally.failed(restoration, error)
    else if (deletes) tally.skipped(error)
  }
}

/** An entry is not written, because of what is in its place. */
export function refusal({ path }: Restorable, why: string): BackupError {
  const message = `Cannot write ${printPath(path)}: the thing in its place ${why}`
  return new BackupError('IBT_WRITE_FAILED', message, { path })
}
