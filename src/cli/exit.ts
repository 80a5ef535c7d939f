import { type BackupError, type ErrorCode, isBackupError } from '../errors.js'
import { printText } from '../path.js'

/** What `ibt` exits with. */
export const Exit = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Done, but some entries of the source could not be read, changed under the read, or are suspected of bit rot. */
  partial: 3,
  /** Stored bytes are damaged or missing. */
  integrity: 4,
  /** Locked, another source or one that is all but empty, an unknown version, a clock that is off, a destination that is not empty. */
  refused: 5,
  /** Done: a comparison has found differences. */
  different: 6,
  /** SIGHUP. */
  hungUp: 129,
  cancelled: 130,
  terminated: 143
} as const

/** A mistake in what was typed. */
export class UsageError extends Error {
  /** The message has been printed. */
  readonly isSaid: boolean

  constructor(message: string, { isSaid = false }: { readonly isSaid?: boolean } = {}) {
    super(message)
    this.isSaid = isSaid
  }
}

const INTEGRITY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'IBT_ARCHIVE_CORRUPT',
  'IBT_ARCHIVE_TRUNCATED',
  'IBT_BAD_MAGIC',
  'IBT_BASIS_MISMATCH',
  'IBT_BASIS_MISSING',
  'IBT_DELTA_CORRUPT',
  'IBT_HASH_MISMATCH',
  'IBT_INPUT_ENDED',
  'IBT_MANIFEST_INVALID',
  'IBT_NOT_SIGNED',
  'IBT_OUT_OF_ORDER',
  'IBT_ROLLED_BACK',
  'IBT_SIGNATURE_CORRUPT',
  'IBT_STATE_INVALID',
  'IBT_UNSAFE_PATH'
])

const REFUSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'IBT_ARCHIVED',
  'IBT_CLOCK',
  'IBT_CODEC_UNKNOWN',
  'IBT_CONFIG_UNSAFE',
  'IBT_DELETE_LIMIT',
  'IBT_HOST_KEY',
  'IBT_KEY_MISSING',
  'IBT_KEY_WRONG',
  'IBT_LOCKED',
  'IBT_NAME_TAKEN',
  'IBT_NOT_ALLOWED',
  'IBT_NOT_EMPTY',
  'IBT_NOT_ENCRYPTED',
  'IBT_OPAQUE_NAMES',
  'IBT_RETAINED',
  'IBT_SIGN_KEY_MISSING',
  'IBT_SOURCE_MISMATCH',
  'IBT_SOURCE_SHRUNK',
  'IBT_STORE_EMPTY',
  'IBT_STATE_VERSION'
])

/** The exit code for what a command threw. */
export function exitCode(error: unknown): number {
  if (error instanceof UsageError || error instanceof RangeError) return Exit.usage
  if (!isBackupError(error)) return Exit.failed
  if (INTEGRITY.has(error.code)) return Exit.integrity
  if (REFUSED.has(error.code)) return Exit.refused
  return error.code === 'IBT_NAME_INVALID' || error.code === 'IBT_CONFIG_INVALID' ? Exit.usage : Exit.failed
}

/** The exit code for the problems that a proof has found: a store that cannot be reached is no damage. */
export function problemsExit(problems: readonly BackupError[]): number {
  const codes = problems.map(exitCode)
  return codes.includes(Exit.integrity) ? Exit.integrity : (codes[0] ?? Exit.done)
}

/** A message for people: what happened, and what the system said. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return printText(cause instanceof Error ? `${error.message}: ${cause.message}` : error.message)
}

/** A message of one line or two: where help is comes last. */
export function describeFailure(error: unknown): string {
  return `${describeError(error)}\n${hint(error)}`
}

function hint(error: unknown): string {
  if (error instanceof UsageError) return '(ibt help lists the commands, ibt help COMMAND the options of one)\n'
  return isBackupError(error) ? `(ibt help ${error.code} says what to do)\n` : ''
}

/** Why a run is not done: the last line of `--json`. Only codes are there to be compared. */
export interface Failure {
  /** An `ErrorCode`, or USAGE, CANCELLED, or UNEXPECTED for what has no code. */
  readonly code: string
  readonly message: string
  /** The entry or artifact that it is about. */
  readonly path?: string | undefined
  /** The system's code. */
  readonly cause?: string | undefined
}

/** `exit`: the code that the process ends with. */
export function failure(error: unknown, exit: number): Failure {
  const message = describeError(error)
  if (exit > 128) return { code: 'CANCELLED', message }
  if (isBackupError(error)) {
    const { code, path, cause } = error
    return { code, message, path, cause: (cause as NodeJS.ErrnoException | undefined)?.code }
  }
  return { code: exit === Exit.usage ? 'USAGE' : 'UNEXPECTED', message }
}
