import { addon } from './addon.js'
import { runJob } from './job.js'

/** A delta, and how many of its commands are COPY: one without any needs no basis. */
export interface DeltaResult {
  readonly delta: Buffer
  readonly copies: number
}

/**
 * The delta of bytes against a signature, both in memory, in one job. They must not change until the promise settles.
 * Memory: the delta, and about 40 bytes a block of the signature while the job runs.
 * @throws BackupError IBT_BAD_MAGIC, IBT_INPUT_ENDED, IBT_SIGNATURE_CORRUPT
 */
export function deltaBytes(signature: Uint8Array, bytes: Uint8Array, signal?: AbortSignal): Promise<DeltaResult> {
  return runJob({ action: 'make a delta' }, signal, token => addon().deltaBytes(signature, bytes, token))
}
