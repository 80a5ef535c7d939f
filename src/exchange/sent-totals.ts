import type { BackupError } from '../errors.js'
import type { Codec } from '../types.js'

/** What a sender has sent. */
export interface SentTotals {
  readonly entries: number
  readonly files: number
  /** Bytes of all files that are listed. */
  readonly sizeBytes: number
  /** Files of which the receiver has asked for the content. */
  readonly sentFiles: number
  /** Of these, files of which a delta was sent. */
  readonly deltaFiles: number
  /** Bytes of contents and deltas, before compression. */
  readonly sentBytes: number
  /** Entries that could not be read, wholly or in part. */
  readonly unreadableEntries: number
  /** Files that changed while they were read. */
  readonly dirtyFiles: number
}

/** Observers of a sender. */
export interface TreeSenderOptions {
  readonly codec: Codec
  readonly onError?: ((error: BackupError) => void) | undefined
  /** Called for each entry that is listed, and while contents are sent. */
  readonly onSent?: ((path: string, totals: SentTotals) => void) | undefined
}

/** Counts what is sent, and tells the observers. */
export class SentTally {
  readonly counts = {
    ...{ entries: 0, files: 0, sizeBytes: 0, sentFiles: 0, deltaFiles: 0, sentBytes: 0 },
    ...{ unreadableEntries: 0, dirtyFiles: 0 }
  }

  constructor(readonly options: TreeSenderOptions) {}

  /** An entry that could not be read, wholly or in part. */
  unreadable(error: BackupError | undefined): void {
    this.counts.unreadableEntries++
    this.observe(error)
  }

  observe(error: BackupError | undefined): void {
    if (error !== undefined) this.options.onError?.(error)
  }

  /** Something of a path was sent. */
  sent(path: string): void {
    this.options.onSent?.(path, this.counts)
  }
}
