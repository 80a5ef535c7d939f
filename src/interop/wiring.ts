import type { Sink, Source, Stage, StageContext } from '../types.js'
import type { ForeignSink, ForeignTransform, LastTransform } from './foreign.js'

/**
 * The last argument of `pipe`, if it is not a step: the context of every step. A `signal` ends the pipeline with its
 * reason.
 */
export interface PipeOptions extends StageContext {}

// Short names, so that the overloads read as a table.
type In<A> = Source<A>
type St<A, B> = Stage<A, B> | ForeignTransform
type Last<A, B> = Stage<A, B> | LastTransform
type End<A, R> = Sink<A, R> | ForeignSink
type Opt = PipeOptions
type Items<B> = AsyncGenerator<B, void, undefined>

/**
 * The ways to call `pipe`: up to twelve stages that fit together, then a sink or none. Those without a sink come first,
 * for a Transform could be one. Foreign sinks say nothing of `R`: it is `void` then.
 */
export interface Pipe {
  <A, B>(a: In<A>, s1: Last<A, B>, o?: Opt): Items<B>
  <A, R = void>(a: In<A>, z: End<A, R>, o?: Opt): Promise<R>
  <A, B, C>(a: In<A>, s1: St<A, B>, s2: Last<B, C>, o?: Opt): Items<C>
  <A, B, R = void>(a: In<A>, s1: St<A, B>, z: End<B, R>, o?: Opt): Promise<R>
  <A, B, C, D>(a: In<A>, s1: St<A, B>, s2: St<B, C>, s3: Last<C, D>, o?: Opt): Items<D>
  <A, B, C, R = void>(a: In<A>, s1: St<A, B>, s2: St<B, C>, z: End<C, R>, o?: Opt): Promise<R>
  <A, B, C, D, E>(a: In<A>, s1: St<A, B>, s2: St<B, C>, s3: St<C, D>, s4: Last<D, E>, o?: Opt): Items<E>
  <A, B, C, D, R = void>(a: In<A>, s1: St<A, B>, s2: St<B, C>, s3: St<C, D>, z: End<D, R>, o?: Opt): Promise<R>
  <A, B, C, D, E, F>(
    a: In<A>,
    s1: St<A, B>,
    s2: St<B, C>,
    s3: St<C, D>,
    s4: St<D, E>,
    s5: Last<E, F>,
    o?: Opt
  ): Items<F>
  <A, B, C, D, E, R = void>(
    a: In<A>,
    s1: St<A, B>,
    s2: St<B, C>,
    s3: St<C, D>,
    s4: St<D, E>,
    z: End<E, R>,
    o?: Opt
  ): Promise<R>
  <A, B, C, D, E, F, G>(
    a: In<A>,
    s1: St<A, B>,
    s2: St<B, C>,
    s3: St<C, D>,
    s4: St<D, E>,
    s5: St<E, F>,
    s6: Last<F, G>,
    o?: Opt
  ): Items<G>
  <A, B, C, D, E, F, R = void>(
    a: In<A>,
    s1: St<A, B>,
    s2: St<B, C>,
    s3: St<C, D>,
    s4: St<D, E>,
    s5: St<E, F>,
    z: End<F, R>,
    o?: Opt
  ): Promise<R>
  <A, B, C, D, E, F, G, H>(
    a: In<A>,
    s1: St<A, B>,
    s2: St<B, C>,
    s3: St<C, D>,
    s4: St<D, E>,
    s5: St<E, F>,
    s6: St<F, G>,
    s7: Last<G, H>,
    o?: Opt
  ): Items<H>
  <A, B, C, D, E, F, G, R = void>(
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
  <A, B, C, D, E, F, G, H, I>(
    a: In<A>,
    s1: St<A, B>,
    s2: St<B, C>,
    s3: St<C, D>,
    s4: St<D, E>,
    s5: St<E, F>,
    s6: St<F, G>,
    s7: St<G, H>,
    s8: Last<H, I>,
    o?: Opt
  ): Items<I>
  <A, B, C, D, E, F, G, H, R = void>(
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
  <A, B, C, D, E, F, G, H, I, J>(
    a: In<A>,
    s1: St<A, B>,
    s2: St<B, C>,
    s3: St<C, D>,
    s4: St<D, E>,
    s5: St<E, F>,
    s6: St<F, G>,
    s7: St<G, H>,
    s8: St<H, I>,
    s9: Last<I, J>,
    o?: Opt
  ): Items<J>
  <A, B, C, D, E, F, G, H, I, R = void>(
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
  <A, B, C, D, E, F, G, H, I, J, K>(
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
    s10: Last<J, K>,
    o?: Opt
  ): Items<K>
  <A, B, C, D, E, F, G, H, I, J, R = void>(
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
  <A, B, C, D, E, F, G, H, I, J, K, L>(
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
    s11: Last<K, L>,
    o?: Opt
  ): Items<L>
  <A, B, C, D, E, F, G, H, I, J, K, R = void>(
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
  <A, B, C, D, E, F, G, H, I, J, K, L, M>(
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
    s12: Last<L, M>,
    o?: Opt
  ): Items<M>
  <A, B, C, D, E, F, G, H, I, J, K, L, R = void>(
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
  <A, B, C, D, E, F, G, H, I, J, K, L, M, R = void>(
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
    s12: St<L, M>,
    z: End<M, R>,
    o?: Opt
  ): Promise<R>
}

/** The ways to call `compose`: up to eight stages that fit together. */
export interface Compose {
  <A, B>(s1: St<A, B>): Stage<A, B>
  <A, B, C>(s1: St<A, B>, s2: St<B, C>): Stage<A, C>
  <A, B, C, D>(s1: St<A, B>, s2: St<B, C>, s3: St<C, D>): Stage<A, D>
  <A, B, C, D, E>(s1: St<A, B>, s2: St<B, C>, s3: St<C, D>, s4: St<D, E>): Stage<A, E>
  <A, B, C, D, E, F>(s1: St<A, B>, s2: St<B, C>, s3: St<C, D>, s4: St<D, E>, s5: St<E, F>): Stage<A, F>
  <A, B, C, D, E, F, G>(s1: St<A, B>, s2: St<B, C>, s3: St<C, D>, s4: St<D, E>, s5: St<E, F>, s6: St<F, G>): Stage<A, G>
  <A, B, C, D, E, F, G, H>(
    s1: St<A, B>,
    s2: St<B, C>,
    s3: St<C, D>,
    s4: St<D, E>,
    s5: St<E, F>,
    s6: St<F, G>,
    s7: St<G, H>
  ): Stage<A, H>
  <A, B, C, D, E, F, G, H, I>(
    s1: St<A, B>,
    s2: St<B, C>,
    s3: St<C, D>,
    s4: St<D, E>,
    s5: St<E, F>,
    s6: St<F, G>,
    s7: St<G, H>,
    s8: St<H, I>
  ): Stage<A, I>
}

/** The ways to call `tee`: two sinks or more, with the results of up to four. */
export interface Tee {
  <A, R = void, S = void>(a: End<A, R>, b: End<A, S>): Sink<A, [R, S]>
  <A, R = void, S = void, T = void>(a: End<A, R>, b: End<A, S>, c: End<A, T>): Sink<A, [R, S, T]>
  <A, R = void, S = void, T = void, U = void>(
    a: End<A, R>,
    b: End<A, S>,
    c: End<A, T>,
    d: End<A, U>
  ): Sink<A, [R, S, T, U]>
  <A>(...sinks: readonly End<A, unknown>[]): Sink<A, unknown[]>
}
