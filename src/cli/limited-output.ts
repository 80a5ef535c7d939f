import type { Rate } from '../flow/rate.js'
import { type NodeWritable, toNodeWritable } from '../interop/node.js'
import { limitRate } from '../stages/limit-rate.js'
import type { Sink } from '../types.js'

/** A stream that bytes go into, at most at a rate if one is given. */
export function limited(output: NodeWritable, rate: Rate | undefined): NodeWritable | Sink<Uint8Array> {
  if (rate === undefined) return output
  const sink = toNodeWritable(output)
  return (source, context) => sink(limitRate<Uint8Array>(rate)(source, context), context)
}
