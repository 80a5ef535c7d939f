/** Anything that can be iterated: arrays, generators, Node, streamx and web readable streams. */
export type Source<T> = AsyncIterable<T> | Iterable<T>

/** What a pipeline tells each of its stages. */
export interface StageContext {
  /** Ends the run: its reason is what the run rejects with. */
  readonly signal?: AbortSignal | undefined
}

/** Turns the items it knows into others and passes every other item on, in order. Pulls nothing until it is pulled. */
export type Stage<A, B = A> = (source: Source<A>, context?: StageContext) => AsyncGenerator<B, void, undefined>

/** Consumes a whole source. */
export type Sink<A, R = void> = (source: Source<A>, context?: StageContext) => Promise<R>
