import { addon } from './addon.js'
import { runJob } from './job.js'
import { formatArguments, type SignatureOptions } from './signature.js'

/** Sizes that a file-to-file job saw. */
export interface JobStats {
  readonly inBytes: number
  readonly outBytes: number
}

/**
 * Signs what a descriptor holds from its position on. The size decides default lengths where it is a regular file.
 * Descriptors of files, pipes and sockets; they stay open, and may be closed
 * once the call has returned its promise.
 * Memory: one buffer of 1 to 8 MiB.
 * @throws BackupError IBT_READ_FAILED, IBT_WRITE_FAILED
 */
export async function signatureFile(
  inFd: number,
  outFd: number,
  options: SignatureOptions = {},
  signal?: AbortSignal
): Promise<JobStats> {
  const format = formatArguments(options)
  return runJob({ action: 'sign' }, signal, token => addon().signatureFile(inFd, outFd, ...format, token))
}

/**
 * Makes the delta from a signature's basis to new content. Memory: the loaded signature, and a buffer of 4 to 16 MiB
 * a thread. The delta does not depend on the number of threads.
 * @throws BackupError IBT_BAD_MAGIC, IBT_INPUT_ENDED, IBT_SIGNATURE_CORRUPT, IBT_READ_FAILED, IBT_WRITE_FAILED
 */
export function deltaFile(signatureFd: number, newFd: number, outFd: number, signal?: AbortSignal): Promise<JobStats> {
  return runJob({ action: 'make delta' }, signal, token => addon().deltaFile(signatureFd, newFd, outFd, token))
}

/**
 * Applies a delta to a basis that can be read at any position; `inBytes` are those of the delta. Memory: 2 MiB.
 * @throws BackupError IBT_BAD_MAGIC, IBT_INPUT_ENDED, IBT_DELTA_CORRUPT, IBT_READ_FAILED, IBT_WRITE_FAILED,
 * IBT_BASIS_MISMATCH if the delta copies what lies beyond the basis.
 */
export function patchFile(basisFd: number, deltaFd: number, outFd: number, signal?: AbortSignal): Promise<JobStats> {
  return runJob({ action: 'patch' }, signal, token => addon().patchFile(basisFd, deltaFd, outFd, token))
}
