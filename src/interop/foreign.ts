import type { Sink, Stage } from '../types.js'
import {
  fromNodeTransform,
  isNodeTransform,
  isNodeWritable,
  type NodeDuplex,
  type NodeWritable,
  toNodeWritable
} from './node.js'
import { fromWebTransform, isWebTransform, isWebWritable, toWebWritable, type WebTransform } from './web.js'

/** A transform of another kind: Node's, streamx's or the web's. Its items are not typed. */
export type ForeignTransform = NodeDuplex | WebTransform
/** What has an output even where it comes last: `toNodeWritable(transform)` makes a sink of it. */
export type LastTransform = (NodeDuplex & { readonly _transform: unknown }) | WebTransform
/** A writable of another kind. */
export type ForeignSink = NodeWritable | WritableStream

/** Tells a transform of another kind. */
export function isForeignTransform(step: unknown): step is ForeignTransform {
  return isNodeTransform(step) || isWebTransform(step)
}

/** A step in the middle as a stage. @throws TypeError for what is none */
export function toStage(step: unknown): Stage<unknown, unknown> {
  if (typeof step === 'function') return step as Stage<unknown, unknown>
  if (isNodeTransform(step)) return fromNodeTransform(step)
  if (isWebTransform(step)) return fromWebTransform(step)
  throw new TypeError('A step of a pipeline is a function, or a Node, streamx or web transform')
}

/**
 * What a step has returned, if it can be read by the next one.
 *
 * @throws TypeError for anything else: a sink in the middle, or a function that is not a stage.
 */
export function checkItems(items: unknown): AsyncGenerator<unknown, void, undefined> {
  if (typeof items === 'object' && items !== null) {
    if (Symbol.asyncIterator in items) return items as AsyncGenerator<unknown, void, undefined>
    // Nobody will wait for it.
    if ('then' in items) Promise.resolve(items).catch(() => {})
  }
  throw new TypeError('A step of a pipeline that is not the last returns an async generator: a sink comes last')
}

/**
 * Where bytes are to go, as a sink. Of a Transform only the half that is written to counts: somebody else reads the other.
 *
 * @throws TypeError for what nothing can be written to
 */
export function toOutput(output: unknown): Sink<unknown, unknown> {
  if (typeof output === 'function') return output as Sink<unknown, unknown>
  if (isWebWritable(output)) return toWebWritable(output)
  if (isNodeWritable(output)) return toNodeWritable(output)
  throw new TypeError('An output is a sink, or a Node, streamx or web writable')
}

/** The last step as a sink, if it is a foreign one. A duplex that is not a Transform is one there: a socket. */
export function toSink(step: unknown): Sink<unknown> | undefined {
  if (isWebWritable(step)) return toWebWritable(step)
  if (isNodeWritable(step) && !('_transform' in step)) return toNodeWritable(step)
  return undefined
}
