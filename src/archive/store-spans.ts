import { packedOf } from '../change/metadata.js'
import { isSigned, summaryOf } from '../change/read-batch.js'
import type { ReadPart, ReadSpans } from '../change/read-spans.js'
import { recordStored, recordUnstored } from '../change/record.js'
import type { SpanCounts, UnchangedSpan } from '../change/unchanged.js'
import { isBatch, wholeOrItems } from '../flow/batches.js'
import { type JoinableBatch, stampFrozen } from '../flow/gather.js'
import type { ArchiveWriter } from '../format/archive-writer.js'
import { type LineMatcher, type SpanWriter, Treatment } from '../native.js'
import { ListedSpan } from '../source/listed.js'
import { type ArchiveKind, type Batch, type Batched, batchOf, type ChangeKind, type Packed } from '../types.js'
import { storeSignature } from './store-signature.js'

interface Archives {
  readonly whole: ArchiveWriter
  readonly sigvault: ArchiveWriter
}

/** A part whose bytes have gone ahead: where its headers, contents and signatures are. */
interface StoredPart extends ReadPart {
  readonly kind: ArchiveKind
  readonly base: number
  readonly signatures: Float64Array
}

/** Consecutive entries whose bytes have gone ahead: their lines are written from columns. */
export class StoredSpans implements JoinableBatch<Packed>, SpanCounts {
  readonly [batchOf] = 'stored'
  readonly changes: Record<ChangeKind, number> = { created: 0, updated: 0, touched: 0, deleted: 0, unchanged: 0 }
  length = 0
  files = 0
  sizeBytes = 0
  storedBytes = 0
  /** Bytes of the largest content that was stored. */
  largestBytes = 0
  /** Files that were read for nothing but a new ctime or inode. */
  movedFiles = 0

  constructor(readonly parts: readonly StoredPart[]) {
    for (const part of parts) this.#count(part)
  }

  lastPath(): string {
    const { directory, end } = this.parts.at(-1)!.plan
    return directory.pathOf(end - 1)
  }

  /** The entries of each part, as they were listed. */
  *listed(): Generator<ListedSpan, void, undefined> {
    for (const { plan, begin, end } of this.parts) yield new ListedSpan(plan.directory, begin, end)
  }

  /** The lines of one part, `date` being the number of this backup in its chain. */
  *lines(writer: SpanWriter, date: number, used: LineMatcher): Generator<Buffer, void, undefined> {
    for (const part of this.parts) yield writer.lines(part, { ...part, date }, used)
  }

  *[Symbol.iterator](): Generator<Packed, void, undefined> {
    let index = 0
    for (const part of this.parts) {
      let file = part.first
      for (let i = part.begin; i < part.end; i++) {
        yield stampFrozen(toPacked(part, i, part.plan.isRead(i) ? file++ : -1), this, index++)
      }
    }
  }

  /** Those of the entries of which more bytes than these were stored. */
  *larger(bytes: number): Generator<Packed, void, undefined> {
    if (this.largestBytes <= bytes) return
    for (const part of this.parts) {
      let file = part.first
      for (let i = part.begin; i < part.end; i++) {
        if (!part.plan.isRead(i)) continue
        const isStored = part.plan.treatment(i) === Treatment.stored
        if (isStored && part.batch.sizes[file]! > bytes) yield toPacked(part, i, file)
        file++
      }
    }
  }

  slice(begin: number, end: number): Batch<Packed> {
    return wholeOrItems(this, begin, end)
  }

  #count({ plan, batch, begin, end, first }: StoredPart): void {
    const { sizes } = plan.directory.listing
    let file = first
    this.length += end - begin
    for (let i = begin; i < end; i++) {
      this.changes[plan.kind(i)]++
      if (!plan.isFile(i)) continue
      this.files++
      const isRead = plan.isRead(i)
      const sizeBytes = isRead ? batch.sizes[file++]! : sizes[i]!
      this.sizeBytes += sizeBytes
      if (plan.treatment(i) === Treatment.stored) {
        this.storedBytes += sizeBytes
        this.largestBytes = Math.max(this.largestBytes, sizeBytes)
      } else if (isRead && plan.kind(i) === 'unchanged' && plan.isMoved(i)) this.movedFiles++
    }
  }
}

/** Tells `StoredSpans` from other batches, and from items. */
export function isStoredSpans(item: Batched<object>): item is StoredSpans {
  return isBatch(item) && item[batchOf] === 'stored'
}

/** Takes spans that are a part of a tar already, and stores the signatures of their files. */
export function storeSpans(spans: ReadSpans, kind: ArchiveKind, { whole, sigvault }: Archives): StoredSpans {
  const isEmpty = spans.tar.length === 0
  const base = isEmpty ? whole.offset : whole.entries(spans.tar, spans.lease)
  if (isEmpty) spans.release()
  return new StoredSpans(
    spans.parts.map(part => ({ ...part, kind, base, signatures: storeSignatures(part, sigvault) }))
  )
}

/** Where they are, by entry; -1 for one without. */
function storeSignatures({ plan, begin, end, batch, first }: ReadPart, sigvault: ArchiveWriter): Float64Array {
  const offsets = new Float64Array(end - begin).fill(-1)
  let file = first
  for (let i = begin; i < end; i++) {
    if (!plan.isRead(i)) continue
    if (isSigned(batch, file) && plan.treatment(i) === Treatment.stored) {
      offsets[i - begin] = storeSignature(sigvault, plan.read(i, batch, file), summaryOf(batch, file))!.offset
    }
    file++
  }
  return offsets
}

function toPacked(part: StoredPart, i: number, file: number): Packed {
  const { plan, batch, kind, base, places, signatures, begin } = part
  if (file < 0) {
    const item = plan.item(i)
    return packedOf(item, recordUnstored(item), 0)
  }
  const summary = summaryOf(batch, file)
  if (plan.treatment(i) === Treatment.same) {
    const same = plan.read(i, batch, file, summary)
    return packedOf(same, recordUnstored(same), 0)
  }
  const stored = plan.read(i, batch, file)
  const offset = signatures[i - begin]!
  const signature = offset < 0 ? undefined : { date: '', offset }
  const place = { date: '', in: kind, offset: base + places[i - begin]! }
  return packedOf(stored, recordStored(stored, summary, { place, signature }), summary.sizeBytes)
}

/** Consecutive entries that are just as the previous state says, packed: there was nothing to store. */
export class UnchangedLines implements JoinableBatch<Packed>, SpanCounts {
  readonly [batchOf] = 'lines'
  readonly length: number
  readonly files: number
  readonly sizeBytes: number
  readonly storedBytes = 0

  constructor(readonly span: UnchangedSpan) {
    this.length = span.length
    this.files = span.files
    this.sizeBytes = span.sizeBytes
  }

  lastPath(): string {
    return this.span.lastPath()
  }

  get linesBytes(): number {
    return this.span.linesBytes
  }

  *[Symbol.iterator](): Generator<Packed, void, undefined> {
    let index = 0
    for (const packed of this.span.packed()) yield stampFrozen(packed, this, index++)
  }

  slice(begin: number, end: number): Batch<Packed> {
    return wholeOrItems(this, begin, end)
  }
}

/** Tells `UnchangedLines` from other batches, and from items. */
export function isUnchangedLines(item: Batched<object>): item is UnchangedLines {
  return isBatch(item) && item[batchOf] === 'lines'
}
