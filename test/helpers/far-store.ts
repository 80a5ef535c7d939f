import { setTimeout } from 'node:timers/promises'
import { wrapStore } from '../../src/stores/wrap-store.js'
import type { ByteRange, Store } from '../../src/types.js'

/** A store far away: it counts the requests, and each takes some time. */
export class FarStore {
  /** What was asked for: a list, or a name with a range. */
  readonly requests: string[] = []
  readonly store: Store

  constructor(store: Store, latencyMs = 0) {
    const { requests } = this
    this.store = wrapStore(store, {
      async *list(prefix, options) {
        requests.push(`list ${prefix}`)
        await setTimeout(latencyMs)
        yield* store.list(prefix, options)
      },
      async *get(name: string, range?: ByteRange, options?) {
        requests.push(`${name} ${range?.start ?? 0}-${range?.end ?? ''}`)
        await setTimeout(latencyMs)
        yield* store.get(name, range, options)
      }
    })
  }

  /** The number of requests since the last call. */
  take(): number {
    return this.requests.splice(0).length
  }
}
