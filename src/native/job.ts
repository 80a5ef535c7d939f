import { getSystemErrorMap } from 'node:util'
import { BackupError, type BackupErrorOptions, type ErrorCode } from '../errors.js'
import { onAbort } from '../flow/on-abort.js'
import { printPath } from '../path.js'
import { addon, type Canceller } from './addon.js'

/** What an error of a job is about. */
export interface Subject {
  /** Completes "Cannot …". */
  readonly action: string
  readonly path?: string | undefined
  /** Where there are several inputs. */
  readonly paths?: readonly string[] | undefined
}

/** What the addon rejects with: `code` is ours; errno (positive) and syscall come from the system; input counts the inputs from 0. */
interface NativeError extends Error {
  readonly code?: ErrorCode
  readonly errno?: number
  readonly syscall?: string
  readonly input?: number
}

/**
 * Runs one job of the addon. On abort the job stops at its next check, and then this rejects with the signal's reason:
 * nothing is read or written any more. A result that comes all the same is handed to `discard`.
 */
export async function runJob<T>(
  subject: Subject,
  signal: AbortSignal | undefined,
  start: (token: Canceller | undefined) => Promise<T>,
  discard?: (result: T) => void
): Promise<T> {
  signal?.throwIfAborted()
  try {
    if (signal === undefined) return await start(undefined)
    return await runAbortable(signal, start, discard)
  } catch (error) {
    throw signal?.aborted === true && error === signal.reason ? error : translate(error, subject)
  }
}

async function runAbortable<T>(
  signal: AbortSignal,
  start: (token: Canceller | undefined) => Promise<T>,
  discard: ((result: T) => void) | undefined
): Promise<T> {
  const native = addon()
  const token = native.canceller()
  const job = start(token)
  const stopListening = onAbort(signal, () => native.cancel(token))
  try {
    const result = await job
    if (signal.aborted) discard?.(result)
    else return result
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    stopListening()
  }
  throw signal.reason
}

/** Calls the addon where no job is needed. */
export function callNative<T>(subject: Subject, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw translate(error, subject)
  }
}

/** Ours have a code; mistakes of the caller (TypeError, RangeError) stay as they are. */
function translate(error: unknown, { action, path: only, paths }: Subject): unknown {
  if (error instanceof BackupError || !(error instanceof Error)) return error
  const { code, errno, syscall, message, input } = error as NativeError
  const path = input === undefined ? only : paths?.[input]
  if (code === undefined || !code.startsWith('IBT_')) return error
  if (errno === undefined) {
    const options: BackupErrorOptions = { path }
    const about = path !== undefined ? printPath(path) : input !== undefined ? `input ${input + 1}` : undefined
    return new BackupError(code, about === undefined ? message : `${message} (${about})`, options)
  }
  const cause = systemError(errno, syscall ?? 'unknown', path)
  const where = path === undefined ? '' : ` ${printPath(path)}`
  return new BackupError(code, `Cannot ${action}${where}`, { path, cause })
}

/** An error as those of `node:fs`. */
export interface SystemError extends Error {
  readonly code: string
  /** Negative, as Node's. */
  readonly errno: number
  readonly syscall: string
  readonly path?: string
}

/** Makes an error of a system's error number (positive, as in columns). */
export function systemError(errno: number, syscall: string, path?: string): SystemError {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, `system error ${errno}`]
  const where = path === undefined ? '' : ` ${printPath(path)}`
  const error = new Error(`${code}: ${text}, ${syscall}${where}`)
  return Object.assign(error, { errno: -errno, code, syscall, ...(path === undefined ? {} : { path }) })
}

/**
 * Makes malloc keep little of what is freed, in one place for all threads, for the rest of the process (glibc; nothing
 * elsewhere): for a program of one's own, not for a guest in another's.
 */
export function returnFreedMemory(): void {
  callNative({ action: 'set up memory' }, () => addon().returnFreedMemory())
}

/**
 * Sets how many threads run jobs, before the first job. Default: as many as cores, at most 8.
 * @throws RangeError if it is not an integer from 1 to 256.
 * @throws BackupError IBT_NATIVE if another number of threads runs already.
 */
export function setJobs(count: number): void {
  callNative({ action: 'set the number of jobs' }, () => addon().setThreads(count))
}
