import type { Origins } from './change.js'
import type { Source } from './source.js'

/** The context that a pipeline gives each of its stages. */
export interface StageContext {
  /** Ends the run: its reason is what the run rejects with. */
  readonly signal?: AbortSignal | undefined
  /** Finds contents of the previous state, for a `sign` that was not given any itself. */
  readonly origins?: Origins | undefined
  /** Hears how many bytes of a long content `sign` has read, long before its entry passes. */
  readonly onRead?: ((path: string, bytes: number) => void) | undefined
}

/** Turns the items it knows into others and passes every other item on, in order. Pulls nothing until it is pulled. */
export type Stage<A, B = A> = (source: Source<A>, context?: StageContext) => AsyncGenerator<B, void, undefined>

/** Consumes a whole source. */
export type Sink<A, R = void> = (source: Source<A>, context?: StageContext) => Promise<R>

/** What a source or stage of this package can be asked for instead of single items: see `BatchSource`. */
export const batches: unique symbol = Symbol.for('incremental-backups-tools.batches')
/** Marks a `Batch`, and says what backs it: `items`, an array, or columns that some stages of this package know. */
export const batchOf: unique symbol = Symbol.for('incremental-backups-tools.batch-of')

/**
 * Items in a row that travel together. Objects are made when it is iterated, anew each time.
 * Its memory may be a lease: whoever is the last to need the bytes calls `release`; whoever takes items out for somebody
 * else calls `keep`, and the memory is never used again.
 */
export interface Batch<T> extends Iterable<T> {
  readonly [batchOf]: string
  /** Items in it, if that is known without a look at them. */
  readonly length: number
  /** Nobody needs the bytes of this batch any more: their memory may be used again. Further calls do nothing. */
  release?(): void
  /** Somebody may look at the bytes for ever. */
  keep?(): void
}

/** An item, or several. */
export type Batched<T> = T | Batch<T>

/** A source that can be read in two ways: item by item, or by whoever knows the symbol in batches, and single items between. */
export interface BatchSource<T> extends AsyncGenerator<T, void, undefined> {
  /** Batches, and single items between them, instead of the items. */
  [batches](): AsyncGenerator<Batched<T>, void, undefined>
}
