import { type Rate, RateLimiter } from '../../flow/rate.js'
import type { Store } from '../../types.js'
import { checkSource } from '../stored-name.js'
import { wrapStore } from '../wrap-store.js'

/** The rates of both directions. */
export interface RateLimitedOptions {
  /** What is stored. Default: no limit. */
  readonly up?: Rate | RateLimiter | undefined
  /** What is read. Default: no limit. */
  readonly down?: Rate | RateLimiter | undefined
}

/**
 * A store whose calls share a rate: one for what is stored, one for what is read. One rate counts for each direction by
 * itself. A `RateLimiter` that several stores are given is shared by all of them.
 * Memory: none of its own. Nothing is running while no call is.
 *
 * @throws RangeError at the call for a rate that is not positive, or hours that are none.
 */
export function rateLimited(store: Store, rate: Rate | RateLimitedOptions): Store {
  const { up = Infinity, down = Infinity } = isBoth(rate) ? rate : { up: rate, down: rate }
  const [upward, downward] = [RateLimiter.of(up), RateLimiter.of(down)]
  const { create } = store
  return wrapStore(store, {
    async put(name, source, options) {
      checkSource(source)
      await store.put(name, upward.limit(source, options?.signal), options)
    },
    get: (name, range, options) => downward.limit(store.get(name, range, options), options?.signal),
    ...(create && {
      async create(name, bytes, options) {
        await upward.take(bytes.length, options?.signal)
        return create.call(store, name, bytes, options)
      }
    })
  })
}

function isBoth(rate: Rate | RateLimitedOptions): rate is RateLimitedOptions {
  return typeof rate === 'object' && !('bytesPerSecond' in rate)
}
