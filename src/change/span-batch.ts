import { BATCH_FILES, FRAME_BYTES } from '../constants.js'
import { untilAbort } from '../flow/abortable.js'
import { isBatch, toBatch, wholeOrItems } from '../flow/batches.js'
import { type JoinableBatch, stampFrozen } from '../flow/gather.js'
import type { Lease } from '../flow/memory.js'
import {
  FILE_RACY,
  type FileBatch,
  type PlacedSpan,
  type PreviousLines,
  readFiles,
  type SpanWriter,
  Treatment
} from '../native.js'
import { encodePath } from '../path.js'
import { type Batch, type Batched, batchOf, type Change, type Signed } from '../types.js'
import { kindOfSame } from './compare.js'
import { decideBody, wholeBody } from './decide-body.js'
import { batchOptions } from './policy.js'
import { type DiskFile, digestOf, type ReadResult, readBatch, summaryOf } from './read-batch.js'
import type { PlannedSpan } from './span-plan.js'
import type { SignContext } from './stream-body.js'

/** Entries of one batch, at most: those that are not read take no room among the files. */
const ENTRIES_MAX = 4 * BATCH_FILES
const NUL = Buffer.alloc(1)

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

function contentOf(batch: FileBatch, file: number, slab: Uint8Array) {
  const start = batch.offsets[file]!
  const summary = summaryOf(batch, file)
  return { summary, bytes: slab.subarray(start, start + summary.sizeBytes) }
}

/** What gives memory back, or keeps it. */
type Shared = Required<Pick<Batch<unknown>, 'release' | 'keep'>>

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
class TarParts {
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

/** Spans that are read in one job into one frame of a tar. Memory: the frame. */
export class SpanBatch {
  readonly #plans: PlannedSpan[] = []
  readonly #names: Uint8Array[] = []
  readonly #gaps: number[] = []
  /** Headers since the last content. */
  #gap = 0
  #entries = 0
  #bytes = 0
  #job: Promise<readonly Batch<ReadResult>[]> | undefined

  constructor(readonly writer: SpanWriter) {}

  get bytes(): number {
    return this.#bytes
  }

  get isStarted(): boolean {
    return this.#job !== undefined
  }

  /** Takes as many entries of the span as there is room for; undefined if all, else the rest. */
  add(plan: PlannedSpan): PlannedSpan | undefined {
    const { directory, begin, end, headers, span } = plan
    let at = begin
    for (; at < end; at++) {
      const isStored = plan.treatment(at) === Treatment.stored
      const header = isStored ? headers[at - span.begin]! : 0
      const isRead = plan.isRead(at)
      const sizeBytes = header + (isRead ? Math.ceil(directory.listing.sizes[at]! / 512) * 512 : 0)
      if (!this.#hasRoom(sizeBytes)) break
      this.#entries++
      this.#bytes += sizeBytes
      this.#gap += header
      if (!isRead) continue
      this.#names.push(encodePath(directory.pathOf(at)), NUL)
      this.#gaps.push(this.#gap)
      this.#gap = 0
    }
    if (begin < at) this.#plans.push(plan.slice(begin, at))
    return at === end ? undefined : plan.slice(at, end)
  }

  #hasRoom(sizeBytes: number): boolean {
    const isEmpty = this.#entries === 0
    const isFull = this.#gaps.length >= BATCH_FILES || this.#entries >= ENTRIES_MAX
    return isEmpty || (!isFull && this.#bytes + sizeBytes <= FRAME_BYTES)
  }

  start(context: SignContext): void {
    if (this.#job !== undefined) return
    this.#job = this.#read(context)
    this.#job.catch(() => {})
  }

  /** What was read: together where it is stored as it was listed, else by itself. */
  results(): Promise<readonly Batch<ReadResult>[]> {
    return this.#job!
  }

  async #read(context: SignContext): Promise<readonly Batch<ReadResult>[]> {
    const { policy, pool, signal } = context
    const { root } = this.#plans[0]!.directory
    const lease = pool.lease(FRAME_BYTES)
    const options = { ...batchOptions(policy), gaps: Uint32Array.from(this.#gaps) }
    const names = Buffer.concat(this.#names)
    const slab = lease.bytes.subarray(0, FRAME_BYTES)
    const batch = await readFiles(root, names, this.#gaps.length, slab, options, signal)
    if (!isAsListed(batch)) {
      lease.release()
      return [await this.#readAgain(context)]
    }
    this.#findSame(batch)
    const alone = await this.#findAlone(batch, context)
    return (await this.#toTar(batch, lease, alone, context)) ?? [await this.#decide(batch, lease, context)]
  }

  *#files(): Generator<readonly [plan: PlannedSpan, index: number, file: number], void, undefined> {
    let file = 0
    for (const plan of this.#plans) {
      for (let i = plan.begin; i < plan.end; i++) if (plan.isRead(i)) yield [plan, i, file++]
    }
  }

  /**
   * Files, by number, that are decided by themselves: their content is that of another entry of the previous state, or
   * another one without a fact that says why.
   */
  async #findAlone(batch: FileBatch, { origins, signal }: SignContext): Promise<ReadonlySet<number>> {
    const found = new Set<number>()
    for (const [plan, i, file] of this.#files()) {
      if (batch.sizes[file] === 0 || plan.treatment(i) === Treatment.same) continue
      if (plan.isExpectedSame(i)) found.add(file)
      const sought = origins?.ofContent(digestOf(batch, file), batch.sizes[file]!)
      if (sought !== undefined && (await untilAbort(sought, signal)) !== undefined) found.add(file)
    }
    return found
  }

  /** Files whose content is that of before, under the same path, are not stored. */
  #findSame(batch: FileBatch): void {
    if (this.#plans.every(({ compared }) => compared === undefined)) return
    for (const [plan, i, file] of this.#files()) {
      const { compared } = plan
      if (compared === undefined || !hasDigest(compared, i, batch, file)) continue
      plan.setSame(i, kindOfSame(compared.lines.differences[i - compared.begin]!))
    }
  }

  /** Parts of a tar, and between them what is decided by itself; undefined if a content does not stand where it should. */
  async #toTar(
    batch: FileBatch,
    lease: Lease,
    alone: ReadonlySet<number>,
    context: SignContext
  ): Promise<readonly Batch<ReadResult>[] | undefined> {
    const tars = new TarParts(batch, lease, this.writer)
    let files = 0
    for (const plan of this.#plans) {
      let begin = plan.begin
      for (let i = plan.begin; i < plan.end; i++) {
        if (!plan.isRead(i) || !alone.has(files++)) continue
        if (!tars.add(plan.slice(begin, i))) return undefined
        const { bytes, summary, file } = tars.takeAlone()
        tars.push(await decideBody(plan.read(i, batch, file), { bytes, summary }, context))
        begin = i + 1
      }
      if (!tars.add(plan.slice(begin, plan.end))) return undefined
    }
    return tars.end()
  }

  /** Decides for each content by itself. */
  async #decide(batch: FileBatch, lease: Lease, context: SignContext): Promise<Batch<ReadResult>> {
    const results: ReadResult[] = []
    let file = 0
    for (const plan of this.#plans) {
      for (let i = plan.begin; i < plan.end; i++) {
        if (!plan.isRead(i)) results.push(plan.item(i))
        else {
          const content = contentOf(batch, file, lease.bytes)
          results.push(await decideBody(plan.read(i, batch, file++), content, context))
        }
      }
    }
    return toBatch(results, lease)
  }

  async #readAgain(context: SignContext): Promise<Batch<ReadResult>> {
    const isRead = this.#plans.flatMap(plan => range(plan).map(i => plan.isRead(i)))
    const items = this.#plans.flatMap(plan => range(plan).map(i => plan.item(i)))
    const files = items.filter((_, at): _ is Change & DiskFile => isRead[at]!)
    const batch = await readBatch(this.#plans[0]!.directory.root, files, context)
    const results = batch[Symbol.iterator]()
    return toBatch(
      items.map((item, at) => (isRead[at] ? (results.next().value as ReadResult) : item)),
      batch
    )
  }
}

function range({ begin, end }: PlannedSpan): number[] {
  return Array.from({ length: end - begin }, (_, at) => begin + at)
}

/** Whether every file was read, and was at rest. */
function isAsListed({ errnos, flags }: FileBatch): boolean {
  return errnos.every(errno => errno === 0) && flags.every(flag => (flag & ~FILE_RACY) === 0)
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

/** Whether the content has the digest that the entry's line says. */
function hasDigest(
  { lines, begin }: { lines: { digests: Uint32Array; window: { bytes: Buffer } }; begin: number },
  i: number,
  batch: FileBatch,
  file: number
): boolean {
  const at = lines.digests[i - begin]!
  return at > 0 && lines.window.bytes.toString('latin1', at, at + 64) === digestOf(batch, file)
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
