import { setTimeout } from 'node:timers/promises'
import { StatusError } from './request.js'

/** Milliseconds before a request is repeated, at most. */
const PAUSE_MS_MAX = 30_000

/** What may be over in a moment. Names that no server knows are not. */
const CODES: ReadonlySet<unknown> = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ENETUNREACH', 'ENETDOWN', 'EHOSTUNREACH'],
  'ERR_STREAM_PREMATURE_CLOSE'
])
const STATUSES: readonly number[] = [408, 425, 429, 500, 502, 503, 504]

/** How often and after how long a request is repeated. */
export interface Retries {
  /** Failures one after the other, without a byte in between, that are borne. */
  readonly retries: number
  /** The first pause: each next one is twice as long. */
  readonly retryDelayMs: number
}

/** Counts the failures of one call. */
export class Patience {
  #failures = 0

  constructor(
    readonly retries: Retries,
    readonly signal: AbortSignal | undefined
  ) {}

  /** Something came: the next failure is the first again. */
  renew(): void {
    this.#failures = 0
  }

  /** Waits before the next try. @throws the error, if it is no use or there were too many */
  async pause(error: unknown): Promise<void> {
    this.signal?.throwIfAborted()
    const { retries, retryDelayMs } = this.retries
    if (!isTransient(error) || this.#failures >= retries) throw error
    const grown = retryDelayMs * 2 ** this.#failures++
    // Many that were cut off at one moment do not come back at one.
    const spread = grown * (0.5 + Math.random() / 2)
    await setTimeout(Math.min(askedFor(error) ?? spread, PAUSE_MS_MAX), undefined, {
      ...(this.signal && { signal: this.signal })
    })
  }
}

function isTransient(error: unknown): boolean {
  if (error instanceof StatusError) return STATUSES.includes(error.status)
  return CODES.has(Object(error).code)
}

/** `Retry-After`, where it is a number of seconds. */
function askedFor(error: unknown): number | undefined {
  const after = error instanceof StatusError ? error.retryAfter : undefined
  return after !== undefined && /^\d{1,6}$/.test(after) ? Number(after) * 1000 : undefined
}
