import { setTimeout } from 'node:timers/promises'
import { CHUNK_BYTES } from '../constants.js'
import type { Source } from '../types.js'
import { abortable } from './abortable.js'
import { hoursContain, parseHours } from './hours.js'
import { parseRate } from './rate-text.js'

/**
 * Bytes per second, as a number or as text: `2M`, `500 kB/s`, `1.5 MiB/s`, `unlimited`. With other rates at certain hours
 * of the local day, as an object or as text: `22:00-06:00 unlimited, else 2 MB/s`.
 */
export type Rate = number | string | RateByHours

/** A rate that depends on the hour of the day. */
export interface RateByHours {
  /** The rate at all other hours. `Infinity`: no limit. */
  readonly bytesPerSecond: number
  /** Rates by hours of the local day: `{ '22:00-06:00': Infinity }`. The first one that fits counts. */
  readonly hours?: Readonly<Record<string, number>> | undefined
}

/** Where a limiter has its time from. */
export interface RateClock {
  /** Milliseconds of a clock that nobody sets. */
  nowMs(): number
  /** The local time of the day. */
  date(): Date
  /** @throws the signal's reason */
  wait(ms: number, signal: AbortSignal | undefined): Promise<void>
}

/** Milliseconds of unused rate that may be made up for: timers are that late. */
const BURST_MS = 100
/** Milliseconds of one step of a wait: then the rate of the hour is looked up again. */
const STEP_MS = 100
/** The smallest part of a chunk that is let through by itself. */
const PART_BYTES_MIN = 1024

const SYSTEM_CLOCK: RateClock = {
  nowMs: () => performance.now(),
  date: () => new Date(),
  async wait(ms, signal) {
    await setTimeout(ms, undefined, { signal }).catch(() => signal?.throwIfAborted())
  }
}

/**
 * Limits the bytes per second of all that share it, in the order in which they ask. Nothing is running while nobody waits.
 * Memory: none.
 *
 * @throws RangeError at the call for a rate that is not positive, or hours that are none.
 */
export class RateLimiter {
  readonly #rates: readonly (readonly [(minute: number) => boolean, number])[]
  #freeAtMs = -Infinity

  constructor(
    rate: Rate,
    readonly clock: RateClock = SYSTEM_CLOCK
  ) {
    const { bytesPerSecond, hours = {} } = toRateByHours(rate)
    this.#rates = [
      ...Object.entries(hours).map(([span, own]) => {
        const parsed = parseHours(span)
        return [(minute: number) => hoursContain(parsed, minute), checkRate(own)] as const
      }),
      [() => true, checkRate(bytesPerSecond)]
    ]
  }

  /** The limiter of a rate; one that is given is shared. */
  static of(rate: Rate | RateLimiter): RateLimiter {
    return rate instanceof RateLimiter ? rate : new RateLimiter(rate)
  }

  /** Bytes per second now. */
  get bytesPerSecond(): number {
    const date = this.clock.date()
    const minute = date.getHours() * 60 + date.getMinutes()
    return this.#rates.find(([fits]) => fits(minute))![1]
  }

  /** Resolves when so many bytes may pass. @throws the signal's reason */
  async take(sizeBytes: number, signal?: AbortSignal): Promise<void> {
    for (let left = sizeBytes; left > 0; ) {
      signal?.throwIfAborted()
      const rate = this.bytesPerSecond
      if (rate === Infinity) return
      const step = Math.min(left, Math.max(1, (rate * STEP_MS) / 1000))
      left -= step
      const now = this.clock.nowMs()
      this.#freeAtMs = Math.max(this.#freeAtMs, now - BURST_MS) + (step / rate) * 1000
      if (this.#freeAtMs > now) await this.clock.wait(this.#freeAtMs - now, signal)
    }
  }

  /** The chunks of a source at this rate; large ones in parts, so that they flow evenly. No look-ahead. */
  async *limit(source: Source<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of abortable(source, signal)) {
      for (let at = 0; at < chunk.length || at === 0; ) {
        const part = chunk.subarray(at, at + this.#partBytes())
        await this.take(part.length, signal)
        yield part
        at += Math.max(1, part.length)
      }
    }
  }

  #partBytes(): number {
    const wanted = Math.floor((this.bytesPerSecond * STEP_MS) / 1000)
    return Math.min(CHUNK_BYTES, Math.max(PART_BYTES_MIN, wanted))
  }
}

function toRateByHours(rate: Rate): RateByHours {
  if (typeof rate === 'string') return parseRate(rate)
  return typeof rate === 'number' ? { bytesPerSecond: rate } : rate
}

function checkRate(bytesPerSecond: number): number {
  if (bytesPerSecond > 0) return bytesPerSecond
  throw new RangeError(`Not a number of bytes per second above 0: ${bytesPerSecond}`)
}
