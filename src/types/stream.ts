import type { Origins } from './entry.js'
import type { Source } from './source.js'

/** What a pipeline tells each of its stages. */
export interface StageContext {
  /** Ends the run: its reason is what the run rejects with. */
  readonly signal?: AbortSignal | undefined
  /** Finds contents of the previous state, for a `sign` that was not given any itself. */
  readonly origins?: Origins | undefined
}

/** Turns the items it knows into others and passes every other item on, in order. Pulls nothing until it is pulled. */
export type Stage<A, B = A> = (source: Source<A>, context?: StageContext) => AsyncGenerator<B, void, undefined>

/** Consumes a whole source. */
export type Sink<A, R = void> = (source: Source<A>, context?: StageContext) => Promise<R>
