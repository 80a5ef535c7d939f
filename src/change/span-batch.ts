import { BATCH_FILES, FRAME_BYTES } from '../constants.js'
import { untilAbort } from '../flow/abortable.js'
import { toBatch } from '../flow/batches.js'
import type { Lease } from '../flow/memory.js'
import { FILE_RACY, type FileBatch, readFiles, type SpanWriter, Treatment } from '../native.js'
import { encodePath } from '../path.js'
import type { Batch, Change } from '../types.js'
import { kindOfSame } from './compare.js'
import { decideBody } from './decide-body.js'
import { batchOptions } from './policy.js'
import { type DiskFile, digestOf, type ReadResult, readBatch } from './read-batch.js'
import { contentOf } from './read-spans.js'
import type { PlannedSpan } from './span-plan.js'
import type { SignContext } from './stream-body.js'
import { TarParts } from './tar-parts.js'

/** Entries of one batch, at most: those that are not read take no room among the files. */
const ENTRIES_MAX = 4 * BATCH_FILES
const NUL = Buffer.alloc(1)

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

  /** Whether there is nothing to compare with: of a full, or of directories that are new. */
  get #isAllNew(): boolean {
    return this.#plans.every(({ compared }) => compared === undefined)
  }

  *#files(): Generator<readonly [plan: PlannedSpan, index: number, file: number], void, undefined> {
    let file = 0
    for (const plan of this.#plans) {
      for (let i = plan.begin; i < plan.end; i++) if (plan.isRead(i)) yield [plan, i, file++]
    }
  }

  /**
   * Files, by number, that are decided by themselves: they may become a delta, or their content is that of another entry of
   * the previous state, or another one without a fact that says why.
   */
  async #findAlone(batch: FileBatch, { origins, policy, signal }: SignContext): Promise<ReadonlySet<number>> {
    const found = new Set<number>()
    if (origins === undefined && this.#isAllNew) return found
    for (const [plan, i, file] of this.#files()) {
      if (batch.sizes[file] === 0 || plan.treatment(i) === Treatment.same) continue
      const hasBasis = plan.compared !== undefined || origins !== undefined
      // What is smaller is never signed, and has no basis.
      if (plan.isExpectedSame(i) || (hasBasis && batch.sizes[file]! >= policy.signedMinBytes)) {
        found.add(file)
        continue
      }
      const sought = origins?.ofContent(digestOf(batch, file), batch.sizes[file]!)
      if (sought !== undefined && (await untilAbort(sought, signal)) !== undefined) found.add(file)
    }
    return found
  }

  /** Files whose content is that of before, under the same path, are not stored. */
  #findSame(batch: FileBatch): void {
    if (this.#isAllNew) return
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
