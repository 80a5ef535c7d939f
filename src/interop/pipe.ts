import { pipe as itPipe } from 'it-pipe'
import type { Sink, Source, Stage, StageContext } from '../types.js'
import { abortable } from './abortable.js'
import { type ForeignSink, type ForeignTransform, toSink, toStage } from './foreign.js'

export interface PipeOptions {
  readonly signal?: AbortSignal | undefined
}

// Short names, so that the overloads read as a table.
type In<A> = Source<A>
type St<A, B> = Stage<A, B> | ForeignTransform
type End<A, R> = Sink<A, R>
type Opt = PipeOptions
type Items<B> = AsyncGenerator<B, void, undefined>

export function pipe<A, R>(a: In<A>, z: End<A, R>, o?: Opt): Promise<R>
export function pipe<A>(a: In<A>, z: ForeignSink, o?: Opt): Promise<void>
export function pipe<A, B>(a: In<A>, s1: St<A, B>, o?: Opt): Items<B>
export function pipe<A, B, R>(a: In<A>, s1: St<A, B>, z: End<B, R>, o?: Opt): Promise<R>
export function pipe<A, B>(a: In<A>, s1: St<A, B>, z: ForeignSink, o?: Opt): Promise<void>
export function pipe<A, B, C>(a: In<A>, s1: St<A, B>, s2: St<B, C>, o?: Opt): Items<C>
export function pipe<A, B, C, R>(a: In<A>, s1: St<A, B>, s2: St<B, C>, z: End<C, R>, o?: Opt): Promise<R>
export function pipe<A, B, C>(a: In<A>, s1: St<A, B>, s2: St<B, C>, z: ForeignSink, o?: Opt): Promise<void>
export function pipe<A, B, C, D>(a: In<A>, s1: St<A, B>, s2: St<B, C>, s3: St<C, D>, o?: Opt): Items<D>
export function pipe<A, B, C, D, R>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  z: End<D, R>,
  o?: Opt
): Promise<R>
export function pipe<A, B, C, D>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  z: ForeignSink,
  o?: Opt
): Promise<void>
export function pipe<A, B, C, D, E>(a: In<A>, s1: St<A, B>, s2: St<B, C>, s3: St<C, D>, s4: St<D, E>, o?: Opt): Items<E>
export function pipe<A, B, C, D, E, R>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  z: End<E, R>,
  o?: Opt
): Promise<R>
export function pipe<A, B, C, D, E>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  z: ForeignSink,
  o?: Opt
): Promise<void>
export function pipe<A, B, C, D, E, F>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  o?: Opt
): Items<F>
export function pipe<A, B, C, D, E, F, R>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  z: End<F, R>,
  o?: Opt
): Promise<R>
export function pipe<A, B, C, D, E, F>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  z: ForeignSink,
  o?: Opt
): Promise<void>
export function pipe<A, B, C, D, E, F, G>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  o?: Opt
): Items<G>
export function pipe<A, B, C, D, E, F, G, R>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  z: End<G, R>,
  o?: Opt
): Promise<R>
export function pipe<A, B, C, D, E, F, G>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  z: ForeignSink,
  o?: Opt
): Promise<void>
export function pipe<A, B, C, D, E, F, G, H>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  o?: Opt
): Items<H>
export function pipe<A, B, C, D, E, F, G, H, R>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  z: End<H, R>,
  o?: Opt
): Promise<R>
export function pipe<A, B, C, D, E, F, G, H>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  z: ForeignSink,
  o?: Opt
): Promise<void>
export function pipe<A, B, C, D, E, F, G, H, I>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  o?: Opt
): Items<I>
export function pipe<A, B, C, D, E, F, G, H, I, R>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  z: End<I, R>,
  o?: Opt
): Promise<R>
export function pipe<A, B, C, D, E, F, G, H, I>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  z: ForeignSink,
  o?: Opt
): Promise<void>
export function pipe<A, B, C, D, E, F, G, H, I, J>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  s9: St<I, J>,
  o?: Opt
): Items<J>
export function pipe<A, B, C, D, E, F, G, H, I, J, R>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  s9: St<I, J>,
  z: End<J, R>,
  o?: Opt
): Promise<R>
export function pipe<A, B, C, D, E, F, G, H, I, J>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  s9: St<I, J>,
  z: ForeignSink,
  o?: Opt
): Promise<void>
export function pipe<A, B, C, D, E, F, G, H, I, J, K>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  s9: St<I, J>,
  s10: St<J, K>,
  o?: Opt
): Items<K>
export function pipe<A, B, C, D, E, F, G, H, I, J, K, R>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  s9: St<I, J>,
  s10: St<J, K>,
  z: End<K, R>,
  o?: Opt
): Promise<R>
export function pipe<A, B, C, D, E, F, G, H, I, J, K>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  s9: St<I, J>,
  s10: St<J, K>,
  z: ForeignSink,
  o?: Opt
): Promise<void>
export function pipe<A, B, C, D, E, F, G, H, I, J, K, L>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  s9: St<I, J>,
  s10: St<J, K>,
  s11: St<K, L>,
  o?: Opt
): Items<L>
export function pipe<A, B, C, D, E, F, G, H, I, J, K, L, R>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  s9: St<I, J>,
  s10: St<J, K>,
  s11: St<K, L>,
  z: End<L, R>,
  o?: Opt
): Promise<R>
export function pipe<A, B, C, D, E, F, G, H, I, J, K, L>(
  a: In<A>,
  s1: St<A, B>,
  s2: St<B, C>,
  s3: St<C, D>,
  s4: St<D, E>,
  s5: St<E, F>,
  s6: St<F, G>,
  s7: St<G, H>,
  s8: St<H, I>,
  s9: St<I, J>,
  s10: St<J, K>,
  s11: St<K, L>,
  z: ForeignSink,
  o?: Opt
): Promise<void>
/**
 * Runs a source through stages, into a sink if the last step is one.
 *
 * Steps are our stages and sinks, or Node, streamx and web streams in any place. Every stage gets the context with the
 * signal; the source and all foreign streams end on an abort, even when they are parked. Returns the sink's promise, or
 * the generator of the last stage: nothing is pulled before it is. Source: it-pipe, which joins the steps.
 *
 * @throws TypeError for a step that is none, and for bytes or a string as the source: they would be taken item by item.
 */
export function pipe(first: Source<unknown>, ...rest: unknown[]): unknown {
  if (typeof first === 'string' || first instanceof Uint8Array) {
    throw new TypeError('Bytes or a string are no source: give an iterable of them')
  }
  const options = isOptions(rest.at(-1)) ? (rest.pop() as PipeOptions) : {}
  const context: StageContext = { signal: options.signal }
  const steps = rest.map((step, i) => {
    const run = (i === rest.length - 1 ? toSink(step) : undefined) ?? toStage(step)
    return (items: Source<unknown>) => run(items, context)
  })
  return itPipe(abortable(first, options.signal), ...(steps as [(items: Source<unknown>) => unknown]))
}

function isOptions(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.keys(value).every(name => name === 'signal') && Object.getPrototypeOf(value) === Object.prototype
}
