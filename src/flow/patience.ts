import { setTimeout } from 'node:timers/promises'

/** Milliseconds before something is tried again, at most. */
const PAUSE_MS_MAX = 30_000

/** How often and after how long what failed is tried again. */
export interface Retries {
  /** Failures one after the other, without any progress in between, that are borne. */
  readonly retries: number
  /** The first pause: each next one is twice as long. */
  readonly retryDelayMs: number
}

/** What an error says of the next try. */
export interface Judgement {
  /** Whether it may be over in a moment. */
  readonly isTransient: (error: unknown) => boolean
  /** How long the other side has asked to wait. */
  readonly askedMs?: ((error: unknown) => number | undefined) | undefined
}

/** Counts the failures of one call. */
export class Patience {
  #failures = 0

  constructor(
    readonly retries: Retries,
    readonly judgement: Judgement,
    readonly signal: AbortSignal | undefined
  ) {}

  /** Something came: the next failure is the first again. */
  renew(): void {
    this.#failures = 0
  }

  /** Waits before the next try. @throws the error, if it is no use or there were too many; the signal's reason */
  async pause(error: unknown): Promise<void> {
    this.signal?.throwIfAborted()
    const { retries, retryDelayMs } = this.retries
    if (!this.judgement.isTransient(error) || this.#failures >= retries) throw error
    const grown = retryDelayMs * 2 ** this.#failures++
    // Many that were cut off at one moment do not come back at one.
    const spread = grown * (0.5 + Math.random() / 2)
    const ms = Math.min(this.judgement.askedMs?.(error) ?? spread, PAUSE_MS_MAX)
    await setTimeout(ms, undefined, { ...(this.signal && { signal: this.signal }) }).catch(() =>
      this.signal?.throwIfAborted()
    )
  }
}
