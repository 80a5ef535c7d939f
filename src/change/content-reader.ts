import { PART_BYTES, SPARSE_BUFFERED_BYTES } from '../constants.js'
import { isBatch, toBatch } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import { checkSize } from '../format/entry-check.js'
import { DiskContent } from '../source/disk.js'
import { isListedSpan } from '../source/listed.js'
import { type Batch, type Batched, type Change, type Entry, isEntry, type Signed } from '../types.js'
import { isComparedSpan } from './compared.js'
import { asChange } from './decide-body.js'
import { Deferred, type DiskFile, Failed, type ReadResult } from './read-batch.js'
import { ReadQueue } from './read-queue.js'
import { isReadSpans } from './read-spans.js'
import type { SignContext } from './stream-body.js'

/** What a stage does with the entries that it gets, and with what is not read in a batch. */
export interface Reading {
  /** Whether no entry of a batch has to be read: it passes as it is. */
  passes(batch: Batch<Entry>): boolean
  /** What passes instead of an entry; or whether its content is read, with others if it can be, or is left to `alone`. */
  route(item: Change): Signed | 'read' | 'alone'
  /** An entry whose turn it is: nothing is pulled before all that becomes of it was taken. */
  alone(entry: Entry): Iterable<Signed> | AsyncIterable<Signed>
  /** Whether an entry that has passed has to be read after all: what it relies on could not be read. */
  isBroken?(item: Signed): boolean
  /** What becomes of an entry that could not be read. */
  failed(failed: Failed): Iterable<Signed>
}

type Results = AsyncGenerator<Batched<Signed>, void, undefined>

/**
 * Reads small files on disk in batches, ahead of what is asked for; everything comes out in order.
 * Memory: `inFlightBytes` of contents, `SLOTS` times `SLOT_ENTRIES` entries.
 */
export async function* readContents(
  source: AsyncIterable<Batched<Entry>> | Iterable<Batched<Entry>>,
  reading: Reading,
  inFlightBytes: number,
  context: SignContext
): Results {
  const reader = new ContentReader(reading, inFlightBytes, context)
  for await (const item of source) {
    for (const part of reader.parts(item)) {
      const passed = part && reader.add(part)
      if (passed instanceof Deferred) yield* reading.alone(passed.entry)
      else if (passed !== undefined) yield passed
      if (reader.isDue) yield* reader.take()
    }
  }
  yield* reader.drain()
}

class ContentReader {
  readonly #queue: ReadQueue<Batched<Signed> | Deferred>
  readonly #breather = createBreather()
  #drains = false

  constructor(
    readonly reading: Reading,
    inFlightBytes: number,
    context: SignContext
  ) {
    this.#queue = new ReadQueue(inFlightBytes, context)
  }

  /**
   * What is to be added of an item: all of it or, of a batch, its entries. Of a span, those that cannot be read with others,
   * and where room may be needed, nothing.
   */
  parts(item: Batched<Entry>): Iterable<Batched<Entry> | undefined> {
    if (!isBatch(item)) return [item]
    if (isListedSpan(item) || isComparedSpan(item)) return this.#queue.readSpan(item)
    if (this.reading.passes(item)) return [item]
    item.keep?.()
    return item
  }

  /** Takes an item, or gives it back if it is its turn. */
  add(given: Batched<Entry>): Batched<Signed> | Deferred | undefined {
    if (isBatch(given) || !isEntry(given)) return this.#pass(given as Batched<Signed>)
    const item = asChange(given)
    checkSize(item)
    const route = this.reading.route(item)
    if (typeof route === 'object') return this.#pass(route)
    if (route === 'read' && isBatchable(item)) this.#queue.read(item)
    else if (this.#queue.isEmpty) return new Deferred(item)
    else {
      this.#queue.push(new Deferred(item))
      // A content that dies at the next pull cannot wait.
      this.#drains = true
    }
    return undefined
  }

  #pass(item: Batched<Signed>): Batched<Signed> | Deferred | undefined {
    if (this.#queue.isEmpty) return !isBatch(item) && this.reading.isBroken?.(item) ? new Deferred(item) : item
    this.#queue.push(item)
    return undefined
  }

  /** Whether results have to be taken before more comes. */
  get isDue(): boolean {
    return this.#queue.isFull || this.#drains
  }

  /** Results, until there is room. */
  async *take(): Results {
    while (this.#queue.isFull || (this.#drains && !this.#queue.isEmpty)) yield* this.#next()
    this.#drains = false
  }

  async *drain(): Results {
    while (!this.#queue.isEmpty) yield* this.#next()
  }

  async *#next(): Results {
    for (const batch of await this.#queue.shift()) {
      if (isReadSpans(batch)) yield batch
      else yield* this.#results(batch)
    }
  }

  /** Results of one batch: those in a row that were read go on together. */
  async *#results(batch: Batch<Batched<Signed> | ReadResult>): Results {
    let together: Signed[] = []
    let isOpen = true
    const take = () => {
      const taken = together
      together = []
      return taken
    }
    for (const result of batch) {
      if (this.#breather.due()) await this.#breather.pause()
      if (result instanceof Failed) together.push(...this.reading.failed(result))
      else if (result instanceof Deferred || isBatch(result) || this.reading.isBroken?.(result)) {
        // The memory of what comes before may be looked at until the whole batch is through.
        if (isOpen) batch.keep?.()
        isOpen = false
        if (together.length > 0) yield toBatch(take())
        if (isBatch(result)) yield result
        else yield* this.reading.alone(result instanceof Deferred ? result.entry : result)
      } else together.push(result)
    }
    if (together.length > 0) yield toBatch(take(), batch)
    else batch.release?.()
  }
}

/** A content on disk that is small enough to be read with others. */
function isBatchable(item: Entry): item is DiskFile {
  if (!(item.content instanceof DiskContent)) return false
  const { sizeBytes = Infinity } = item
  return sizeBytes <= (item.sparse ? SPARSE_BUFFERED_BYTES : PART_BYTES)
}
