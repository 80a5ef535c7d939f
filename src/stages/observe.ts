import { batchStage, isBatch } from '../flow/batches.js'
import type { Stage } from '../types.js'

/**
 * Shows every item to a callback and passes it on.
 *
 * Consumes and yields anything. Order kept. No look-ahead. Memory: constant.
 *
 * @throws what the callback throws: the pipeline ends.
 */
export function observe<T>(callback: (item: T) => void): Stage<T> {
  if (typeof callback !== 'function') throw new TypeError('observe takes a function')
  return batchStage<T>(async function* observeStage(source) {
    for await (const item of source) {
      if (isBatch(item)) {
        item.keep?.()
        for (const single of item) callback(single)
      } else callback(item)
      yield item
    }
  })
}
