import { isBackupError } from '../../errors.js'

/** What trying again does not mend: rights, space, what was asked for. */
const PERMANENT_CODES: ReadonlySet<unknown> = new Set([
  ...['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR', 'EISDIR', 'EINVAL', 'ENAMETOOLONG', 'ELOOP'],
  ...['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_URL', 'ERR_TLS_CERT_ALTNAME_INVALID', 'CERT_HAS_EXPIRED', 'ERR_ASSERTION'],
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']
])
/** Answers of the 4xx that ask to try again. */
const TRANSIENT_STATUS: readonly unknown[] = [408, 425, 429]

/**
 * Whether a call of a store that failed may succeed the next time: its error is IBT_STORE_FAILED or of the system, and no
 * error in its line of causes says that it is permanent.
 */
export function isTransientError(error: unknown): boolean {
  if (isBackupError(error) && error.code !== 'IBT_STORE_FAILED') return false
  for (let cause = error, depth = 0; typeof cause === 'object' && cause !== null && depth < 8; depth++) {
    if (isPermanent(cause)) return false
    cause = (cause as { readonly cause?: unknown }).cause
  }
  return true
}

function isPermanent(error: object): boolean {
  if (error instanceof TypeError && !('cause' in error)) return true
  if (error instanceof RangeError || error instanceof SyntaxError) return true
  const { code, status, statusCode, $metadata } = error as Record<string, unknown>
  const http = status ?? statusCode ?? ($metadata as { readonly httpStatusCode?: unknown } | undefined)?.httpStatusCode
  if (typeof http === 'number' && http >= 400 && http < 500) return !TRANSIENT_STATUS.includes(http)
  return PERMANENT_CODES.has(code)
}
