import { BATCHED_FILE_BYTES } from '../constants.js'
import { type FileBatch, FileType, LineCode, type SpanWriter, Treatment } from '../native.js'
import { freshOf } from '../source/fresh.js'
import type { ListedSpan } from '../source/listed.js'
import type { Change, ChangeKind, Signed } from '../types.js'
import { CONTENT_FACTS, Difference } from './compare.js'
import { type ComparedSpan, isComparedSpan } from './compared.js'
import { changeOf, readOf } from './metadata.js'

/** Consecutive entries of one directory of which it is known how each is treated, and how large its header is. */
export class PlannedSpan {
  constructor(
    readonly span: ListedSpan | ComparedSpan,
    readonly begin: number,
    readonly end: number,
    /** Of the whole span, from its first entry on. */
    readonly headers: Uint32Array,
    readonly treatments: Uint8Array | undefined,
    /** What each entry is, once it has been read; undefined where all are created. */
    readonly kinds: ChangeKind[] | undefined
  ) {}

  get directory() {
    return this.span.directory
  }

  /** Only of the increment, whose entries have lines: undefined where all are stored. */
  get compared(): ComparedSpan | undefined {
    return isComparedSpan(this.span) ? this.span : undefined
  }

  treatment(i: number): number {
    return this.treatments?.[i - this.span.begin] ?? Treatment.stored
  }

  isRead(i: number): boolean {
    const treatment = this.treatment(i)
    return treatment === Treatment.same || (treatment === Treatment.stored && this.isFile(i))
  }

  /** Whether its line says another ctime or inode. */
  isMoved(i: number): boolean {
    const differences = this.compared?.lines.differences[i - this.span.begin] ?? 0
    return (differences & (Difference.ctime | Difference.inode)) !== 0
  }

  /** Whether neither the size nor the mtime say why its content should be another. */
  isExpectedSame(i: number): boolean {
    if (this.compared === undefined) return false
    const { codes, differences } = this.compared.lines
    const at = i - this.span.begin
    return codes[at] !== LineCode.none && (differences[at]! & CONTENT_FACTS) === 0
  }

  /** The file was read, and its content is where it was. */
  setSame(i: number, kind: ChangeKind): void {
    const at = i - this.span.begin
    this.treatments![at] = Treatment.same
    this.kinds![at] = kind
  }

  isFile(i: number): boolean {
    return this.directory.listing.types[i] === FileType.file
  }

  kind(i: number): ChangeKind {
    return this.kinds?.[i - this.span.begin] ?? 'created'
  }

  /** The entry, as the stages before have it; of a full, it is as good as created. */
  item(i: number): Change {
    return this.compared?.change(i) ?? changeOf(this.directory.entry(i))
  }

  /** A file, as it was when it was read as the one of this number. */
  read(i: number, batch: FileBatch, file: number, found: Pick<Signed, 'dirty' | 'racy' | 'body'> = {}): Signed {
    const { dirty, racy, body } = found
    return readOf(this.item(i), freshOf(batch, file), { change: this.kind(i), dirty, racy, body })
  }

  slice(begin: number, end: number): PlannedSpan {
    return new PlannedSpan(this.span, begin, end, this.headers, this.treatments, this.kinds)
  }
}

/** What becomes of an entry that no span can hold. */
const ALONE = 255

/**
 * The parts of a span that can be read into a tar together, and the entries between them that cannot: large and sparse
 * files, and names or numbers that need records.
 */
export function* planSpan(
  span: ListedSpan | ComparedSpan,
  writer: SpanWriter
): Generator<PlannedSpan | Change, void, undefined> {
  const { directory, begin, end } = span
  const headers = writer.plan(directory, begin, end)
  const treatments = new Uint8Array(end - begin)
  for (let i = begin; i < end; i++) {
    treatments[i - begin] = headers[i - begin] === 0 ? ALONE : treatmentOf(span, i)
  }
  const isCompared = isComparedSpan(span)
  const kinds = isCompared ? [...span.kinds] : undefined
  const plan = new PlannedSpan(span, begin, end, headers, isCompared ? treatments : undefined, kinds)
  let from = begin
  for (let i = begin; i <= end; i++) {
    if (i < end && treatments[i - begin] !== ALONE) continue
    if (from < i) yield plan.slice(from, i)
    if (i < end) yield plan.item(i)
    from = i + 1
  }
}

function treatmentOf(span: ListedSpan | ComparedSpan, i: number): number {
  const { types, sizes, sparse } = span.directory.listing
  const isFile = types[i] === FileType.file
  const isStored = !isComparedSpan(span) || isChanged(span, i)
  if (!isStored) return span.lines.codes[i - span.begin] === LineCode.same ? Treatment.copied : Treatment.touched
  if (!isFile) return Treatment.stored
  return sizes[i]! <= BATCHED_FILE_BYTES && sparse[i] === 0 ? Treatment.stored : ALONE
}

function isChanged({ kinds, begin }: ComparedSpan, i: number): boolean {
  const kind = kinds[i - begin]
  return kind === 'created' || kind === 'updated'
}
