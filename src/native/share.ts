import { addon } from './addon.js'
import { runJob, type SystemError, systemError } from './job.js'

/** A range of an open file. */
export interface FileRange {
  readonly fd: number
  readonly at: number
}

/** What two files share of a range. */
export interface SharedBlocks {
  /** Bytes of the range before its first whole block. */
  readonly start: number
  /** From there on: all whole blocks of the range, fewer after an error, or none. */
  readonly sizeBytes: number
  readonly error: SystemError | undefined
}

/**
 * Makes the whole blocks in a range of `to`, which is written front to back and ends before it, those of a range of `from`
 * as they are at this moment, on file systems that copy a block when one of its files is written to (btrfs, XFS). After
 * an error `to` ends where its shared blocks do. Nothing is shared, and that is no error, if the two ranges lie
 * differently in their blocks.
 *
 * @throws BackupError IBT_WRITE_FAILED
 */
export async function shareBlocks(
  from: FileRange,
  to: FileRange,
  sizeBytes: number,
  signal?: AbortSignal
): Promise<SharedBlocks> {
  const subject = { action: 'share blocks of two open files' }
  const [start, shared, errno] = await runJob(subject, signal, token =>
    addon().shareBlocks(from.fd, from.at, to.fd, to.at, sizeBytes, token)
  )
  const error = errno === 0 ? undefined : systemError(errno!, 'ioctl')
  return { start: start!, sizeBytes: shared!, error }
}

/**
 * Gives back the whole blocks in a range of an open file that holds zeros only: they become a hole. Resolves to whether
 * there was something to give back. Moves the position.
 */
export async function makeHole({ fd, at }: FileRange, sizeBytes: number, signal?: AbortSignal): Promise<boolean> {
  const subject = { action: 'make a hole in an open file' }
  return runJob(subject, signal, token => addon().makeHole(fd, at, sizeBytes, token))
}
