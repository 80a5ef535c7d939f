import { BackupError, type ErrorCode, isBackupError } from '../../errors.js'
import type { CheckedOptions } from './options.js'

interface ServiceError extends Error {
  readonly code?: string
  readonly Region?: string
  readonly StorageClass?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

const CREDENTIALS = new Set(['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'ExpiredToken', 'InvalidToken'])
const OTHER_REGION = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException'
])
const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** What a person has to know of an error of the SDK, if it is one that a person can mend: otherwise the error itself. */
export function explain(error: unknown, name: string, options: CheckedOptions): unknown {
  if (isBackupError(error) || !(error instanceof Error)) return error
  const { bucket, endpoint, region } = options
  const found = error as ServiceError
  const failed = (message: string, code: ErrorCode = 'IBT_STORE_FAILED') =>
    new BackupError(code, message, { path: name, cause: error })
  const where = endpoint === undefined ? bucket : `${bucket} at ${endpoint}`

  // Its status is that of a missing name.
  if (found.name === 'NoSuchBucket') return failed(`The bucket ${where} does not exist: create it, or check its name`)
  if (found.name === 'InvalidObjectState') return archived(name, found.StorageClass, error)
  if (found.name === 'CredentialsProviderError')
    return failed('No AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE')
  if (CREDENTIALS.has(found.name))
    return failed(`The server does not accept the AWS credentials (${found.name}): check them and the clock`)
  if (OTHER_REGION.has(found.name)) {
    const other = found.Region ?? 'another one'
    return failed(`The bucket ${where} is not in the region ${region ?? 'of the configuration'}, but in ${other}`)
  }
  if (found.name === 'Error' && /^Region is missing/.test(found.message))
    return failed('No region: set AWS_REGION, or region= in the URL')
  if (found.$metadata?.httpStatusCode === 403)
    return failed(`No access to ${name || 'the list'} in ${where}: the bucket's policy or the user's rights refuse it`)
  if (UNREACHABLE.has(found.code ?? ''))
    return failed(`Cannot reach the server of ${where} (${found.code}): check the endpoint and the network`)
  return error
}

/** The error of a name that has to be thawed before it can be read. */
export function archived(name: string, storageClass = 'an archive class', cause?: unknown): BackupError {
  const message = `${name} is in ${storageClass} and cannot be read before it is thawed: ibt plan restore lists all such names`
  return new BackupError('IBT_ARCHIVED', message, { path: name, cause })
}

/** The status of an answer that was an error; 0 for other errors. */
export function statusOf(error: unknown): number {
  return (Object(error) as ServiceError).$metadata?.httpStatusCode ?? 0
}
