import { pipe as itPipe } from 'it-pipe'
import { abortable } from '../flow/abortable.js'
import type { Source, StageContext } from '../types.js'
import { checkItems, toSink, toStage } from './foreign.js'
import { readableHalf } from './readable-half.js'
import { Items, Run, settle } from './run.js'
import type { Pipe, PipeOptions } from './wiring.js'

export type { PipeOptions } from './wiring.js'

/**
 * Runs a source through stages, into a sink if the last step is one.
 *
 * Steps are our stages and sinks, or Node, streamx and web streams in any place; a Node or streamx stream that comes
 * last is a sink unless it is a Transform. Options come after the last step. Every step gets a context with the signal.
 * Returns the sink's promise, or the items of the last stage, of which nothing is pulled before the first is asked for.
 *
 * Of a duplex that comes first, a socket, the readable half is read, and at a normal end the other half is left alone.
 *
 * An abort is noticed even when the source is parked; the pipeline rejects with the signal's reason, untouched. Any
 * other error comes out as it is. Whichever way it ends, all sources are closed and all streams destroyed; of a source
 * that is parked, `return()` is called, but not waited for.
 * Look-ahead and memory: those of the steps. Source: it-pipe, which joins them.
 *
 * @throws TypeError for a step that is not one, for a sink that is not the last, and for bytes or a string as the source: they would be taken item by item.
 */
export const pipe: Pipe = (first: Source<unknown>, ...rest: unknown[]): never => {
  checkSource(first)
  const { steps, options } = splitOptions(rest)
  if (steps.length === 0) throw new TypeError('A pipeline has a source and at least one step')
  const streams = [first, ...steps].filter(step => typeof step !== 'function')
  const last = steps.length - 1
  const stages = steps.map((step, i) => (i === last ? toSink(step) : undefined) ?? toStage(step))

  const run = new Run(options.signal, streams)
  const context: StageContext = { ...options, signal: run.signal }
  let input: Source<unknown> = first
  const joints = stages.map((stage, i) => (items: Source<unknown>) => {
    input = items
    const output = stage(items, context)
    return i === last ? output : checkItems(output)
  })
  let result: unknown
  try {
    result = itPipe(abortable(readableHalf(first), run.signal), ...(joints as [(items: Source<unknown>) => unknown]))
  } catch (error) {
    throw run.fail(error)
  }
  return finish(result, input, run) as never
}

function finish(result: unknown, input: Source<unknown>, run: Run): unknown {
  if (typeof result === 'object' && result !== null) {
    if ('then' in result) return settle(result as PromiseLike<unknown>, input, run)
    if (Symbol.asyncIterator in result) return new Items(result as AsyncGenerator<unknown, void, undefined>, run)
  }
  throw new TypeError('The last step of a pipeline returns an async generator, or a promise if it is a sink')
}

function checkSource(first: unknown): void {
  if (typeof first === 'string' || ArrayBuffer.isView(first)) {
    throw new TypeError('Bytes or a string are not a source: give an iterable of them')
  }
  if (typeof first !== 'object' || first === null || !(Symbol.asyncIterator in first || Symbol.iterator in first)) {
    throw new TypeError('The source of a pipeline is an iterable or async iterable')
  }
}

function splitOptions(rest: readonly unknown[]): { steps: readonly unknown[]; options: PipeOptions } {
  const options = rest.at(-1)
  if (rest.length === 0 || !isOptions(options)) return { steps: rest, options: {} }
  return { steps: rest.slice(0, -1), options: options ?? {} }
}

const OPTIONS: ReadonlySet<string> = new Set<keyof PipeOptions>(['signal', 'origins', 'onRead'])

function isOptions(value: unknown): value is PipeOptions | undefined {
  if (value === undefined) return true
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false
  return Object.keys(value).every(name => OPTIONS.has(name))
}
