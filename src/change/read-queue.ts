import { BATCH_BYTES, BATCH_FILES, BATCHED_FILE_BYTES, SLOT_ENTRIES, SLOTS } from '../constants.js'
import { toBatch } from '../flow/batches.js'
import { SpanWriter } from '../native.js'
import type { ListedSpan } from '../source/listed.js'
import type { Batch, Entry } from '../types.js'
import type { ComparedSpan } from './compared.js'
import { type DiskFile, type ReadResult, readBatch } from './read-batch.js'
import { SpanBatch } from './span-batch.js'
import { type PlannedSpan, planSpan } from './span-plan.js'
import type { SignContext } from './stream-body.js'

/** Consecutive items: those to be read are one job, the others keep their places between them. */
class Slot<T> {
  readonly files: DiskFile[] = []
  bytes = 0
  readonly #items: (T | { readonly file: number })[] = []
  #job: Promise<Batch<ReadResult>> | undefined

  /** `isShared`: of small files; a larger one is alone. */
  constructor(
    readonly root: Uint8Array | undefined,
    readonly isShared: boolean
  ) {}

  get isFull(): boolean {
    return this.files.length >= BATCH_FILES || this.bytes >= BATCH_BYTES || this.#items.length >= SLOT_ENTRIES
  }

  /** Whether the file can be read in the same job as those before it. */
  takes({ sizeBytes = 0 }: Entry, root: Uint8Array): boolean {
    const isAlike = this.root === root && this.isShared && sizeBytes <= BATCHED_FILE_BYTES
    return isAlike && !this.isFull && this.bytes + sizeBytes <= BATCH_BYTES
  }

  add(item: T, bytes: number): void {
    this.#items.push(item)
    this.bytes += bytes
  }

  addFile(file: DiskFile): void {
    this.#items.push({ file: this.files.push(file) - 1 })
    this.bytes += file.sizeBytes ?? 0
  }

  start(context: SignContext): void {
    if (this.#job !== undefined || this.root === undefined) return
    this.#job = readBatch(this.root, this.files, context)
    this.#job.catch(() => {})
  }

  async results(): Promise<readonly Batch<T | ReadResult>[]> {
    const batch = await this.#job
    const results = batch === undefined ? [] : [...batch]
    const items = this.#items.map(item => (isFile(item) ? results[item.file]! : item))
    return [toBatch(items, batch)]
  }
}

function isFile(item: unknown): item is { readonly file: number } {
  return typeof item === 'object' && item !== null && 'file' in item
}

/** Items in order, of which some are files, or spans with files, that are being read in batches. */
export class ReadQueue<T extends object> {
  readonly #slots: (Slot<T> | SpanBatch)[] = []
  #writer: SpanWriter | undefined
  #bytes = 0

  constructor(
    readonly maxBytes: number,
    readonly context: SignContext
  ) {}

  get isEmpty(): boolean {
    return this.#slots.length === 0
  }

  get isFull(): boolean {
    return this.#bytes > this.maxBytes || this.#slots.length > SLOTS
  }

  push(item: T): void {
    const last = this.#slots.at(-1)
    const slot = last instanceof Slot && !last.isFull ? last : this.#open(undefined, false)
    const bytes = linesBytes(item)
    slot.add(item, bytes)
    this.#bytes += bytes
  }

  /** Takes a file on disk. */
  read(file: DiskFile): void {
    const { root } = file.content
    const last = this.#slots.at(-1)
    const slot =
      last instanceof Slot && last.takes(file, root)
        ? last
        : this.#open(root, (file.sizeBytes ?? 0) <= BATCHED_FILE_BYTES)
    slot.addFile(file)
    this.#bytes += file.sizeBytes ?? 0
    if (slot.isFull || !slot.isShared) slot.start(this.context)
  }

  /**
   * Takes a span, a part at each pull, so that a queue that is full can be emptied between: what cannot be read in spans
   * comes out as entries.
   */
  *readSpan(span: ListedSpan | ComparedSpan): Generator<Entry | undefined, void, undefined> {
    this.#writer ??= new SpanWriter()
    for (const part of planSpan(span, this.#writer)) {
      if ('path' in part) yield part
      else yield* this.#addPlan(part, this.#writer)
    }
  }

  *#addPlan(plan: PlannedSpan, writer: SpanWriter): Generator<undefined, void, undefined> {
    for (let rest: PlannedSpan | undefined = plan; rest !== undefined; yield) {
      const last = this.#slots.at(-1)
      const batch = last instanceof SpanBatch && !last.isStarted ? last : this.#append(new SpanBatch(writer))
      const before = batch.bytes
      rest = batch.add(rest)
      this.#bytes += batch.bytes - before
      if (rest !== undefined) batch.start(this.context)
    }
  }

  /** The oldest items, when all of them have been read. */
  async shift(): Promise<readonly Batch<T | ReadResult>[]> {
    const slot = this.#slots.shift()!
    slot.start(this.context)
    const results = await slot.results()
    this.#bytes -= slot.bytes
    return results
  }

  #open(root: Uint8Array | undefined, isShared: boolean): Slot<T> {
    return this.#append(new Slot<T>(root, isShared))
  }

  #append<S extends Slot<T> | SpanBatch>(slot: S): S {
    this.#slots.at(-1)?.start(this.context)
    this.#slots.push(slot)
    return slot
  }
}

/** Memory that the lines of a batch take: a part of a state, as bytes and as text. */
export function linesBytes(item: object): number {
  return (item as { readonly linesBytes?: number }).linesBytes ?? 0
}
