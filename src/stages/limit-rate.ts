import { type Rate, RateLimiter } from '../flow/rate.js'
import { type Chunk, isChunk, type Stage } from '../types.js'

/**
 * Lets bytes pass at a rate: chunks of a plain byte stream, which are cut into parts that flow evenly, and stored chunks
 * between `encode` and `publish`, which stay whole. A `RateLimiter` is shared by all stages that are given it.
 *
 * Consumes and yields `Uint8Array` and `Chunk`; other items pass on. Order kept. No look-ahead. Memory: none of its own.
 *
 * @throws RangeError at the call for a rate that is not positive, or hours that are none.
 */
export function limitRate<T extends Uint8Array | Chunk | object>(rate: Rate | RateLimiter): Stage<T> {
  const limiter = RateLimiter.of(rate)
  return async function* limitRateStage(source, { signal } = {}) {
    for await (const item of source) {
      if (item instanceof Uint8Array) yield* limiter.limit([item], signal) as AsyncGenerator<T & Uint8Array>
      else {
        if (isChunk(item)) await limiter.take(item.bytes.length, signal)
        yield item
      }
    }
  }
}
