import type { Stage } from '../types.js'
import { type ForeignTransform, toStage } from './foreign.js'

type St<A, B> = Stage<A, B> | ForeignTransform

export function compose<A, B>(s1: St<A, B>): Stage<A, B>
export function compose<A, B, C>(s1: St<A, B>, s2: St<B, C>): Stage<A, C>
export function compose<A, B, C, D>(s1: St<A, B>, s2: St<B, C>, s3: St<C, D>): Stage<A, D>
export function compose<A, B, C, D, E>(s1: St<A, B>, s2: St<B, C>, s3: St<C, D>, s4: St<D, E>): Stage<A, E>
export function compose<A, B, C, D, E, F>(
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>
): Stage<A, F>
export function compose<A, B, C, D, E, F, G>(
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>
): Stage<A, G>
export function compose<A, B, C, D, E, F, G, H>(
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>
): Stage<A, H>
export function compose<A, B, C, D, E, F, G, H, I>(
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>
): Stage<A, I>
/**
 * Makes one stage of several, in order; Node, streamx and web transforms are taken, too.
 *
 * @throws TypeError for a step that is none.
 */
export function compose(...steps: unknown[]): Stage<unknown, unknown> {
  const stages = steps.map(toStage)
  return async function* composedStage(source, context) {
    let items = source
    for (const stage of stages) items = stage(items, context)
    yield* items
  }
}
