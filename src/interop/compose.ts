import type { Source, Stage } from '../types.js'
import { checkItems, toStage } from './foreign.js'
import type { Compose } from './wiring.js'

/**
 * Makes one stage of several, in order; Node, streamx and web transforms are taken, too.
 *
 * Consumes what the first consumes; yields what the last yields. Look-ahead and memory: those of the stages.
 * A composition that holds a foreign stream runs once, as the stream does.
 *
 * @throws TypeError at the call for a step that is not a stage; when it runs, for one that returns no items.
 */
export const compose = ((...steps: unknown[]): Stage<unknown, unknown> => {
  if (steps.length === 0) throw new TypeError('compose: at least one stage is expected')
  const stages = steps.map(toStage)
  // What the last stage returns goes out as it is: it may be readable in batches.
  return function composedStage(source, context) {
    let items: Source<unknown> = source
    for (const stage of stages) items = checkItems(stage(items, context))
    return items as AsyncGenerator<unknown, void, undefined>
  }
}) as Compose
