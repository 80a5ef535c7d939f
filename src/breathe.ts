import { setImmediate } from 'node:timers/promises'
import { BREATHE_MS } from './constants.js'

/** Items between two looks at the clock. */
const ITEMS_PER_LOOK = 16

/** Says when a loop that serves from memory has to let timers and abort run. */
export interface Breather {
  /** Whether `BREATHE_MS` have passed since the last pause. */
  due(): boolean
  /** Lets everything else have its turn. */
  pause(): Promise<void>
}

/** One for each running loop: `if (breathe.due()) await breathe.pause()` in every round. */
export function createBreather(): Breather {
  let items = 0
  let pausedAt = performance.now()
  return {
    due() {
      if (++items < ITEMS_PER_LOOK) return false
      items = 0
      return performance.now() - pausedAt >= BREATHE_MS
    },
    async pause() {
      await setImmediate()
      pausedAt = performance.now()
    }
  }
}
