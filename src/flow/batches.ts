import { BATCH_ENTRIES } from '../constants.js'
import {
  type Batch,
  type Batched,
  type BatchSource,
  batches,
  batchOf,
  type Source,
  type Stage,
  type StageContext
} from '../types.js'
import { createBreather } from './breathe.js'
import { gather } from './gather.js'

/** Tells a batch from single items. */
export function isBatch<T>(item: Batched<T>): item is Batch<T> {
  return typeof item === 'object' && item !== null && batchOf in item
}

/** Whether a source can be asked for batches. */
export function hasBatches<T>(source: Source<T>): source is BatchSource<T> {
  return typeof source === 'object' && source !== null && batches in source
}

/** A batch of items that are objects already. */
export function toBatch<T>(items: readonly T[], lease?: Pick<Batch<T>, 'release' | 'keep'>): Batch<T> {
  return {
    [batchOf]: 'items',
    length: items.length,
    [Symbol.iterator]: () => items[Symbol.iterator](),
    release: () => lease?.release?.(),
    keep: () => lease?.keep?.()
  }
}

/** A part of a batch whose columns cannot be cut: all of it as it is, else the items. */
export function wholeOrItems<T>(batch: Batch<T>, begin: number, end: number): Batch<T> {
  return begin === 0 && end === batch.length ? batch : toBatch([...batch].slice(begin, end))
}

/**
 * A source in batches, with single items between. Of one that knows no batches, the items that came out of a batch are
 * joined again, if they are at hand and still say what its columns say. Nothing is opened before the first pull.
 */
export function batchesOf<T>(source: Source<T>): AsyncIterable<Batched<T>> | Iterable<Batched<T>> {
  if (hasBatches(source)) return source[batches]()
  return Symbol.asyncIterator in source ? gather(source) : source
}

/**
 * A source that can be read in both ways. `open` makes its batches, and is not called before the first pull.
 * Read item by item, it takes every batch apart, and lets timers run between.
 */
export function toBatchSource<T>(open: () => AsyncGenerator<Batched<T>, void, undefined>): BatchSource<T> {
  return new Both(open)
}

/**
 * A stage in terms of batches: `run` gets a source that yields batches, and items between, and yields such itself.
 * What comes of it can be read item by item, too.
 */
export function batchStage<A, B = A>(
  run: (
    source: AsyncIterable<Batched<A>> | Iterable<Batched<A>>,
    context: StageContext
  ) => AsyncGenerator<Batched<B>, void, undefined>
): Stage<A, B> {
  const stage: Stage<A, B> = (source, context = {}) => toBatchSource(() => run(batchesOf(source), context))
  return Object.defineProperty(stage, 'name', { value: run.name })
}

class Both<T> implements BatchSource<T> {
  readonly #open: () => AsyncGenerator<Batched<T>, void, undefined>
  #items: AsyncGenerator<T, void, undefined> | undefined
  #batches: AsyncGenerator<Batched<T>, void, undefined> | undefined

  constructor(open: () => AsyncGenerator<Batched<T>, void, undefined>) {
    this.#open = open
  }

  [batches](): AsyncGenerator<Batched<T>, void, undefined> {
    return (this.#batches ??= this.#open())
  }

  next(): Promise<IteratorResult<T, void>> {
    return this.#single().next()
  }

  return(): Promise<IteratorResult<T, void>> {
    return (this.#items ?? (this.#batches as AsyncGenerator<never> | undefined) ?? this.#single()).return(
      undefined as never
    )
  }

  throw(error: unknown): Promise<IteratorResult<T, void>> {
    return this.#single().throw(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #single(): AsyncGenerator<T, void, undefined> {
    return (this.#items ??= takeApart(this[batches]()))
  }
}

async function* takeApart<T>(source: AsyncGenerator<Batched<T>, void, undefined>): AsyncGenerator<T, void, undefined> {
  const breather = createBreather()
  for await (const item of source) {
    if (!isBatch(item)) {
      yield item
      continue
    }
    item.keep?.()
    // A pause in the middle would keep those behind from joining the items again.
    const isLong = item.length > BATCH_ENTRIES
    for (const single of item) {
      yield single
      if (isLong && breather.due()) await breather.pause()
    }
    if (breather.due()) await breather.pause()
  }
}
