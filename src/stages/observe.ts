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
  return async function* observeStage(source) {
    for await (const item of source) {
      callback(item)
      yield item
    }
  }
}
