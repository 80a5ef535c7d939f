import { CHUNKS_WAITING } from '../constants.js'
import { abortable } from '../flow/abortable.js'
import { Channel } from '../flow/channel.js'
import { onAbort } from '../flow/on-abort.js'
import type { Sink, StageContext } from '../types.js'
import { toOutput } from './foreign.js'
import type { Tee } from './wiring.js'

/**
 * Feeds several sinks from one source, which is read once: two stores, a store and a socket. Node and streamx writables
 * and web writables are taken, too. Resolves to what the sinks resolve to, in their order.
 *
 * Consumes what all of them consume; each gets every item, the same object. Back-pressure: the slowest holds the source.
 * Memory: `CHUNKS_WAITING` items for each sink. A sink that resolves early gets no more items; the others go on.
 * If one fails, or on an abort, all are aborted, and the first error comes out when all of them have settled. What a sink
 * has finished by then stays: each store commits for itself.
 *
 * @throws TypeError at the call for fewer than two sinks, or for a step that is not one.
 */
export const tee = ((...steps: unknown[]): Sink<unknown, unknown[]> => {
  if (steps.length < 2) throw new TypeError('tee: at least two sinks are expected')
  const sinks = steps.map(toOutput)
  return async function teeSink(source, context = {}) {
    const controller = new AbortController()
    let failure: { readonly error: unknown } | undefined
    const fail = (error: unknown) => {
      if (failure !== undefined) return
      failure = { error }
      controller.abort(error)
      for (const branch of branches) branch.channel.fail(error)
    }
    const branchContext = { ...context, signal: controller.signal }
    const branches: readonly Branch[] = sinks.map(sink => new Branch(sink, branchContext, error => fail(error)))
    const stopListening = onAbort(context.signal, fail)
    try {
      for await (const item of abortable(source, controller.signal)) {
        await Promise.all(branches.map(branch => branch.push(item)))
        if (branches.every(branch => branch.isOver)) break
      }
      for (const branch of branches) branch.channel.end()
    } catch (error) {
      fail(error)
    }
    const outcomes = await Promise.allSettled(branches.map(({ outcome }) => outcome))
    stopListening()
    if (failure !== undefined) throw failure.error
    return outcomes.map(outcome => (outcome as PromiseFulfilledResult<unknown>).value)
  }
}) as Tee

/** One sink, and the items that wait for it. */
class Branch {
  readonly channel = new Channel<unknown>(CHUNKS_WAITING)
  readonly outcome: Promise<unknown>
  /** It takes no more items. */
  isOver = false

  constructor(sink: Sink<unknown, unknown>, context: StageContext, onFail: (error: unknown) => void) {
    this.outcome = this.#run(sink, context)
    this.outcome.catch(onFail)
  }

  async #run(sink: Sink<unknown, unknown>, context: StageContext): Promise<unknown> {
    try {
      return await sink(this.channel, context)
    } finally {
      this.isOver = true
      // Of one that never began to read, the channel still holds the source back.
      this.channel.fail(new Error('The sink has settled'))
    }
  }

  async push(item: unknown): Promise<void> {
    if (this.isOver) return
    // Whether a sink that reads no more has failed, its outcome says.
    await this.channel.push(item).catch(() => {
      this.isOver = true
    })
  }
}
