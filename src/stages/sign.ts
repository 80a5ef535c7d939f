import { isComparedSpan } from '../change/compared.js'
import { asChange, toUnreadable, toVanished } from '../change/decide-body.js'
import { checkPolicy, type SignPolicy } from '../change/policy.js'
import { Deferred, type DiskFile, Failed, type ReadResult } from '../change/read-batch.js'
import { ReadQueue } from '../change/read-queue.js'
import { isReadSpans } from '../change/span-batch.js'
import { signStream } from '../change/stream.js'
import { isBroken, type SignContext } from '../change/stream-body.js'
import { isUnchangedSpan } from '../change/unchanged.js'
import { IN_FLIGHT_BYTES, PART_BYTES, SPARSE_BUFFERED_BYTES } from '../constants.js'
import { batchStage, isBatch, toBatch } from '../flow/batches.js'
import { type Breather, createBreather } from '../flow/breathe.js'
import { Pool } from '../flow/memory.js'
import { allocateBytes } from '../native.js'
import { DiskContent } from '../source/disk.js'
import { isListedSpan } from '../source/listed.js'
import {
  type Batch,
  type Batched,
  type Change,
  type Entry,
  isEntry,
  type Origins,
  type Signed,
  type Stage
} from '../types.js'

/** Options of `sign`. */
export interface SignOptions extends SignPolicy {
  /** Bytes of contents that are read ahead, at most. Default: `IN_FLIGHT_BYTES`. */
  readonly inFlightBytes?: number | undefined
  /** Finds contents of the previous state: a file that has one is stored without any, or as a delta on it. Default: the pipeline's. */
  readonly origins?: Origins | undefined
}

/**
 * Reads every content that has to be looked at, once: SHA-256, signature and, where there is a basis, its delta.
 *
 * Consumes `Entry` (a full) or `Change`; yields `Signed`. Other items pass on. Order kept.
 * A file is opened once and read once; a small one that changes under the read is read again, up to three times, and
 * is `dirty` then; a large one is `dirty` at once. Same bytes as before: `touched` or `unchanged`, without a body.
 * What vanished is `deleted`, or left out if it is new; what cannot be read is `unreadable`, or `carried` if it was
 * there before. A further member of a hard-link group is not read: `linkTo` names the first.
 * Files on disk of up to `PART_BYTES` (sparse ones: `SPARSE_BUFFERED_BYTES`) are read ahead in batches; larger ones and all
 * other contents stream when their turn comes. The holes of a sparse file that streams are not read.
 * Memory: `inFlightBytes` of contents, `SLOTS` times `SLOT_ENTRIES` entries, one table entry for each hard-link group, and
 * 20 bytes for each block of the content that streams.
 *
 * @throws BackupError IBT_SIZE_UNKNOWN for a content of unknown size above `PART_BYTES` that has no basis.
 * @throws RangeError at the call for an option that makes no sense.
 */
export function sign(options: SignOptions = {}): Stage<Entry, Signed> {
  const policy = checkPolicy(options)
  const { inFlightBytes = IN_FLIGHT_BYTES } = options
  if (!(inFlightBytes > 0)) throw new RangeError('sign: inFlightBytes is positive')
  return batchStage<Entry, Signed>(async function* signStage(source, { signal, origins }) {
    const context = { policy, pool: new Pool(allocateBytes), origins: options.origins ?? origins, signal }
    const signer = new Signer(inFlightBytes, context)
    for await (const item of source) {
      if (isListedSpan(item) || isComparedSpan(item)) {
        for (const entry of signer.parts(item)) {
          const passed = entry && signer.add(entry)
          if (passed !== undefined) yield passed
          if (signer.isDue) yield* signer.take()
        }
        continue
      }
      for (const single of isUnchangedSpan(item) || !isBatch(item) ? [item as Batched<Signed>] : item) {
        const passed = signer.add(single)
        if (passed !== undefined) yield passed
        if (signer.isDue) yield* signer.take()
      }
    }
    yield* signer.drain()
  })
}

type Span = Parameters<ReadQueue<Batched<Signed> | Deferred>['readSpan']>[0]
type Results = AsyncGenerator<Batched<Signed>, void, undefined>

/** What is to be read is read ahead; everything comes out in order. */
class Signer {
  readonly #queue: ReadQueue<Batched<Signed> | Deferred>
  readonly #links = new Links()
  readonly #breather: Breather = createBreather()
  #drains = false

  constructor(
    inFlightBytes: number,
    readonly context: SignContext
  ) {
    this.#queue = new ReadQueue(inFlightBytes, context)
  }

  /** Takes a span; the entries of it that cannot be read with others come out, and where room may be needed, nothing. */
  parts(span: Span): Iterable<Entry | undefined> {
    return this.#queue.readSpan(span)
  }

  /** Takes an item, or gives it back if it is its turn. */
  add(given: Batched<Signed | Entry>): Batched<Signed> | undefined {
    if (isBatch(given) || !isEntry(given)) return this.#pass(given as Batched<Signed>)
    const item = asChange(given)
    const linkTo = this.#links.find(item)
    if (linkTo !== undefined) return this.#pass({ linkTo, ...item }, false)
    if (!needsRead(item)) return this.#pass(item)
    if (isBatchable(item)) this.#queue.read(item)
    else {
      this.#queue.push(new Deferred(item))
      // A content that dies at the next pull cannot wait.
      this.#drains = true
    }
    return undefined
  }

  #pass(item: Batched<Signed>, mayGo = true): Batched<Signed> | undefined {
    if (this.#queue.isEmpty && mayGo) return item
    this.#queue.push(item)
    return undefined
  }

  /** Whether results have to be taken before more comes. */
  get isDue(): boolean {
    return this.#queue.isFull || this.#drains
  }

  /** Results, until there is room. */
  async *take(): Results {
    while (this.#queue.isFull || (this.#drains && !this.#queue.isEmpty)) yield* this.#results(await this.#queue.shift())
    this.#drains = false
  }

  async *drain(): Results {
    while (!this.#queue.isEmpty) yield* this.#results(await this.#queue.shift())
  }

  /** Results of one batch: those in a row that are signed go on together. */
  async *#results(batches: readonly Batch<Batched<Signed> | ReadResult>[]): Results {
    for (const batch of batches) yield* this.#resultsOf(batch)
  }

  async *#resultsOf(batch: Batch<Batched<Signed> | ReadResult>): Results {
    if (isReadSpans(batch)) {
      yield batch
      return
    }
    let signed: Signed[] = []
    let isOpen = true
    const take = () => {
      const taken = signed
      signed = []
      return taken
    }
    for (const result of batch) {
      if (this.#breather.due()) await this.#breather.pause()
      if (result instanceof Failed) signed.push(...fail(result, this.#links))
      else if (result instanceof Deferred || isBatch(result) || this.#links.isBroken(result)) {
        // The memory of what comes before may be looked at until the whole batch is through.
        if (isOpen) batch.keep?.()
        isOpen = false
        if (signed.length > 0) yield toBatch(take())
        if (isBatch(result)) yield result
        else yield* this.#stream(result)
      } else signed.push(result)
    }
    if (signed.length > 0) yield toBatch(take(), batch)
    else batch.release?.()
  }

  async *#stream(result: Deferred | Signed): Results {
    const entry = result instanceof Deferred ? result.entry : { ...result, linkTo: undefined }
    for await (const signed of signStream(entry, this.context)) {
      if (signed instanceof Failed) yield* fail(signed, this.#links)
      else {
        yield signed
        if (isBroken(signed.body)) this.#links.break(signed)
      }
    }
  }
}

function* fail({ entry, error }: Failed, links: Links): Generator<Signed> {
  links.break(entry)
  const kept = error === undefined ? toVanished(entry) : toUnreadable(entry, error)
  if (kept !== undefined) yield kept
}

function needsRead({ content, change }: Change): boolean {
  return content !== undefined && (change === 'created' || change === 'updated')
}

function isBatchable(item: Entry): item is DiskFile {
  if (!(item.content instanceof DiskContent)) return false
  const { sizeBytes = Infinity } = item
  return sizeBytes <= (item.sparse ? SPARSE_BUFFERED_BYTES : PART_BYTES)
}

/** The first member of each hard-link group: the others share its content, unless it could not be read. */
class Links {
  readonly #first = new Map<number, string>()
  readonly #broken = new Set<number>()

  /** The first member of the entry's group; undefined if it is the first itself. */
  find(item: Entry & Partial<Change>): string | undefined {
    if (item.link === undefined || item.type !== 'file' || item.carried || item.change === 'deleted') return undefined
    const first = this.#first.get(item.link)
    if (first === undefined) this.#first.set(item.link, item.path)
    return first
  }

  /** The first member could not be read: the next one is read. */
  break({ link }: Entry): void {
    if (link !== undefined) this.#broken.add(link)
  }

  isBroken({ link, linkTo }: Signed): boolean {
    return linkTo !== undefined && link !== undefined && this.#broken.has(link)
  }
}
