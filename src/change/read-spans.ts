import { isBatch, wholeOrItems } from '../flow/batches.js'
import { type JoinableBatch, stampFrozen } from '../flow/gather.js'
import { type FileBatch, type PlacedSpan, Treatment } from '../native.js'
import { type Batch, type Batched, batchOf, type Signed } from '../types.js'
import { wholeBody } from './decide-body.js'
import { summaryOf } from './read-batch.js'
import type { PlannedSpan } from './span-plan.js'

/** A part of `ReadSpans`, and how far behind the start of the tar the header of each stored entry is. */
export interface ReadPart extends PlacedSpan {
  readonly plan: PlannedSpan
  readonly places: Float64Array
}

/**
 * Consecutive plain entries, those that are to be stored as a part of a tar: headers, contents and padding; and what is
 * known of their files. Memory: the tar, which is leased, and the columns.
 */
export class ReadSpans implements JoinableBatch<Signed> {
  readonly [batchOf] = 'read'

  constructor(
    readonly parts: readonly ReadPart[],
    readonly tar: Uint8Array,
    /** Contents by the offsets of the batch: the tar is a part of it. */
    readonly slab: Uint8Array,
    readonly batch: FileBatch,
    readonly lease: Shared
  ) {}

  get length(): number {
    return this.parts.reduce((sum, { begin, end }) => sum + end - begin, 0)
  }

  release(): void {
    this.lease.release()
  }

  keep(): void {
    this.lease.keep()
  }

  *[Symbol.iterator](): Generator<Signed, void, undefined> {
    let index = 0
    for (const { plan, begin, end, first } of this.parts) {
      let file = first
      for (let i = begin; i < end; i++) {
        const signed = plan.isRead(i) ? this.#read(plan, i, file++) : plan.item(i)
        yield stampFrozen(signed, this, index++)
      }
    }
  }

  #read(plan: PlannedSpan, i: number, file: number): Signed {
    const { summary, bytes } = contentOf(this.batch, file, this.slab)
    const { dirty, racy } = summary
    const body = plan.treatment(i) === Treatment.same ? undefined : wholeBody({ bytes, summary })
    return plan.read(i, this.batch, file, { dirty, racy, body })
  }

  slice(begin: number, end: number): Batch<Signed> {
    return wholeOrItems(this, begin, end)
  }
}

/** Tells `ReadSpans` from other batches, and from items. */
export function isReadSpans(item: Batched<object>): item is ReadSpans {
  return isBatch(item) && item[batchOf] === 'read'
}

/** The content of a file of a batch, and what was found in it. */
export function contentOf(batch: FileBatch, file: number, slab: Uint8Array) {
  const start = batch.offsets[file]!
  const summary = summaryOf(batch, file)
  return { summary, bytes: slab.subarray(start, start + summary.sizeBytes) }
}

/** What gives memory back, or keeps it. */
export type Shared = Required<Pick<Batch<unknown>, 'release' | 'keep'>>
