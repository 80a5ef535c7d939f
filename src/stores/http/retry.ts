import type { Judgement } from '../../flow/patience.js'
import { StatusError } from './request.js'

/** What may be over in a moment. Names that no server knows are not. */
const CODES: ReadonlySet<unknown> = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ENETUNREACH', 'ENETDOWN', 'EHOSTUNREACH'],
  'ERR_STREAM_PREMATURE_CLOSE'
])
const STATUSES: readonly number[] = [408, 425, 429, 500, 502, 503, 504]

/** What HTTP says of the next try. */
export const HTTP_JUDGEMENT: Judgement = { isTransient, askedMs }

function isTransient(error: unknown): boolean {
  if (error instanceof StatusError) return STATUSES.includes(error.status)
  return CODES.has(Object(error).code)
}

/** `Retry-After`, where it is a number of seconds. */
function askedMs(error: unknown): number | undefined {
  const after = error instanceof StatusError ? error.retryAfter : undefined
  return after !== undefined && /^\d{1,6}$/.test(after) ? Number(after) * 1000 : undefined
}
