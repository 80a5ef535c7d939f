import { toBatch } from '../flow/batches.js'
import type { Lease } from '../flow/memory.js'
import { type FileBatch, type PreviousLines, type SpanWriter, Treatment } from '../native.js'
import type { Batch } from '../types.js'
import type { ReadResult } from './read-batch.js'
import { contentOf, type ReadPart, ReadSpans, type Shared } from './read-spans.js'
import type { PlannedSpan } from './span-plan.js'

/** Memory that several batches look at: it goes back when all of them have given it back. */
class SharedLease {
  #users = 0

  constructor(readonly lease: Lease) {}

  share(): Shared {
    let isOpen = true
    this.#users++
    return {
      release: () => {
        if (isOpen && --this.#users === 0) this.lease.release()
        isOpen = false
      },
      keep: () => this.lease.keep()
    }
  }
}

/** The contents of one slab as parts of a tar, between which some stand alone. */
export class TarParts {
  readonly #batches: Batch<ReadResult>[] = []
  readonly #shared: SharedLease
  #parts: ReadPart[] = []
  /** Where the part that is open begins in the slab, and where it ends. */
  #start = 0
  #at = 0
  #file = 0

  constructor(
    readonly batch: FileBatch,
    readonly lease: Lease,
    readonly writer: SpanWriter
  ) {
    this.#shared = new SharedLease(lease)
  }

  /** False if a content does not stand where its header would leave it. */
  add(plan: PlannedSpan): boolean {
    const { directory, begin, end } = plan
    if (begin === end) return true
    const places = new Float64Array(end - begin)
    const first = this.#file
    const part = { plan, directory, begin, end, batch: this.batch, first, places, previous: linesOf(plan) }
    if (plan.kinds !== undefined) closeGaps(part, this.lease.bytes, this.#at)
    const next = this.writer.headers(part, this.lease.bytes, this.#at, places)
    if (next === undefined) return false
    this.#at = next
    for (let i = 0; i < places.length; i++) if (places[i]! >= 0) places[i]! -= this.#start
    for (let i = begin; i < end; i++) if (plan.isRead(i)) this.#file++
    this.#parts.push(part)
    return true
  }

  /** The next content, which no part has. */
  takeAlone() {
    this.#flush()
    const file = this.#file++
    const found = contentOf(this.batch, file, this.lease.bytes)
    this.#start = this.#at = this.batch.offsets[file]! + Math.ceil(found.bytes.length / 512) * 512
    return { ...found, file }
  }

  push(result: ReadResult): void {
    this.#batches.push(toBatch([result], this.#shared.share()))
  }

  end(): readonly Batch<ReadResult>[] {
    this.#flush()
    return this.#batches
  }

  #flush(): void {
    if (this.#parts.length === 0) return
    const { bytes } = this.lease
    const tar = bytes.subarray(this.#start, this.#at)
    this.#batches.push(new ReadSpans(this.#parts, tar, bytes, this.batch, this.#shared.share()))
    this.#parts = []
  }
}

/** Moves contents to where they stand without those that are not stored; never to behind where they were. */
function closeGaps({ plan, begin, end, batch, first }: ReadPart, slab: Uint8Array, start: number): void {
  let at = start
  let file = first
  for (let i = begin; i < end; i++) {
    const isStored = plan.treatment(i) === Treatment.stored
    if (isStored) at += plan.headers[i - plan.span.begin]!
    if (!plan.isRead(i)) continue
    const from = batch.offsets[file]!
    const sizeBytes = batch.sizes[file]!
    if (isStored) {
      const bodyEnd = at + sizeBytes
      if (from !== at) {
        slab.copyWithin(at, from, from + sizeBytes)
        slab.fill(0, bodyEnd, at + Math.ceil(sizeBytes / 512) * 512)
        batch.offsets[file] = at
      }
      at += Math.ceil(sizeBytes / 512) * 512
    }
    file++
  }
}

function linesOf(plan: PlannedSpan): PreviousLines | undefined {
  const { compared, begin, end, treatments, span } = plan
  if (compared === undefined || treatments === undefined) return undefined
  const [from, to] = [begin - span.begin, end - span.begin]
  const { starts, ends, digests, window } = compared.lines
  return {
    treatments: treatments.subarray(from, to),
    lines: window.bytes,
    starts: starts.subarray(from, to),
    ends: ends.subarray(from, to),
    digests: digests.subarray(from, to)
  }
}
