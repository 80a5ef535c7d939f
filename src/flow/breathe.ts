import { setImmediate } from 'node:timers/promises'
import { BREATHE_MS } from '../constants.js'

/** Items between two looks at the clock while items are fast: a look costs a quarter of a hop. */
const ITEMS_PER_LOOK = 16
/** Milliseconds between two looks above which the clock is looked at for every item. */
const SLOW_LOOK_MS = 1

/** Says when a loop that serves from memory has to let timers and abort run. */
export interface Breather {
  /** Whether `BREATHE_MS` have passed since the last pause. */
  due(): boolean
  /** Lets everything else have its turn. */
  pause(): Promise<void>
}

/**
 * One for each running loop: `if (breather.due()) await breather.pause()` in every round.
 * Slow items are seen, too: the clock is looked at for each item until sixteen of them pass within a millisecond.
 */
export function createBreather(): Breather {
  let itemsPerLook = 1
  let items = 0
  let pausedAt = performance.now()
  let lookedAt = pausedAt
  return {
    due() {
      if (++items < itemsPerLook) return false
      items = 0
      const now = performance.now()
      itemsPerLook = now - lookedAt > SLOW_LOOK_MS ? 1 : Math.min(itemsPerLook * 2, ITEMS_PER_LOOK)
      lookedAt = now
      return now - pausedAt >= BREATHE_MS
    },
    async pause() {
      await setImmediate()
      pausedAt = lookedAt = performance.now()
    }
  }
}
