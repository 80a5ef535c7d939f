import { type ErrorCode, isBackupError } from '../errors.js'

/** What is asked, whatever the server. */
export interface Asked {
  readonly method: string
  /** Path and query as they came. */
  readonly target: string
  readonly host: string | undefined
  /** The value of a header, by its name in lower case. */
  readonly header: (name: string) => string | undefined
  readonly signal: AbortSignal
}

/** What is answered. Without a body, only the head. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined
}

/** A refusal with a status of HTTP. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {}
  ) {
    super(message)
  }
}

/** There is no such thing. */
export function nothing(what: string): HttpError {
  return new HttpError(404, `There is no ${what}`)
}

const STATUSES: { readonly [code in ErrorCode]?: number } = {
  IBT_NOT_FOUND: 404,
  IBT_NO_BACKUP: 404,
  IBT_NAME_INVALID: 404,
  IBT_UNSUPPORTED_TYPE: 404,
  IBT_READ_FAILED: 410,
  // The server lacks what it needs to read the backup. The message says what, and the asker can do nothing.
  IBT_KEY_MISSING: 424,
  IBT_KEY_WRONG: 424,
  IBT_CODEC_UNKNOWN: 424,
  IBT_PEER_MISSING: 424,
  IBT_BASIS_MISSING: 424,
  IBT_ARCHIVED: 424
}

/** The status for an error of the library. What is not known to be the asker's fault is ours. */
export function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status
  if (error instanceof RangeError) return 404
  return (isBackupError(error) && STATUSES[error.code]) || 500
}
