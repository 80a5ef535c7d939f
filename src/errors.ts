/** Every code that this package throws. A code is API: it changes only in a major version; messages may change. */
export type ErrorCode =
  | 'IBT_ARCHIVED'
  | 'IBT_ARCHIVE_CORRUPT'
  | 'IBT_ARCHIVE_TRUNCATED'
  | 'IBT_BAD_MAGIC'
  | 'IBT_BASIS_MISMATCH'
  | 'IBT_BASIS_MISSING'
  | 'IBT_BIT_ROT'
  | 'IBT_CLOCK'
  | 'IBT_CODEC_UNKNOWN'
  | 'IBT_CONFIG_INVALID'
  | 'IBT_CONFIG_UNSAFE'
  | 'IBT_CONNECTION_LOST'
  | 'IBT_DELETE_LIMIT'
  | 'IBT_DELTA_CORRUPT'
  | 'IBT_FILE_CHANGED'
  | 'IBT_HASH_MISMATCH'
  | 'IBT_HOOK_FAILED'
  | 'IBT_HOST_KEY'
  | 'IBT_INPUT_ENDED'
  | 'IBT_JOB_BUSY'
  | 'IBT_KEY_MISSING'
  | 'IBT_KEY_WRONG'
  | 'IBT_LOCKED'
  | 'IBT_MANIFEST_INVALID'
  | 'IBT_METADATA_FAILED'
  | 'IBT_NAME_INVALID'
  | 'IBT_NAME_TAKEN'
  | 'IBT_NATIVE'
  | 'IBT_NO_BACKUP'
  | 'IBT_NOT_ALLOWED'
  | 'IBT_NOT_EMPTY'
  | 'IBT_NOT_ENCRYPTED'
  | 'IBT_NOT_FOUND'
  | 'IBT_NOT_SIGNED'
  | 'IBT_OPAQUE_NAMES'
  | 'IBT_OUTCOME_UNKNOWN'
  | 'IBT_OUT_OF_ORDER'
  | 'IBT_PEER_MISSING'
  | 'IBT_READ_FAILED'
  | 'IBT_RETAINED'
  | 'IBT_ROLLED_BACK'
  | 'IBT_SIGN_KEY_MISSING'
  | 'IBT_SIGNATURE_CORRUPT'
  | 'IBT_SIZE_UNKNOWN'
  | 'IBT_SOURCE_MISMATCH'
  | 'IBT_SOURCE_SHRUNK'
  | 'IBT_STATE_INVALID'
  | 'IBT_STATE_VERSION'
  | 'IBT_STORE_EMPTY'
  | 'IBT_STORE_FAILED'
  | 'IBT_UNSAFE_PATH'
  | 'IBT_UNSUPPORTED_TYPE'
  | 'IBT_WRITE_FAILED'

const BRAND = Symbol.for('incremental-backups-tools.BackupError')

/** What an error is about. */
export interface BackupErrorOptions {
  /** The entry or artifact that the error is about. */
  readonly path?: string | undefined
  readonly cause?: unknown
}

/** The one error class of the package: match on `code`, never on the message. */
export class BackupError extends Error {
  readonly code: ErrorCode
  readonly path: string | undefined

  constructor(code: ErrorCode, message: string, options: BackupErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.path = options.path
  }
}
Object.defineProperty(BackupError.prototype, 'name', { value: 'BackupError', configurable: true, writable: true })
Object.defineProperty(BackupError.prototype, BRAND, { value: true })

/** Tells a `BackupError` of any copy of this package. */
export function isBackupError(value: unknown): value is BackupError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true
}
