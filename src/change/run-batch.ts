import { BATCH_FILES, BATCHED_FILE_BYTES, FRAME_BYTES } from '../constants.js'
import { FILE_RACY, type FileBatch, FileType, type PlacedRun, type RunWriter, readFiles } from '../native.js'
import { encodePath } from '../path.js'
import { ListedRun } from '../source/listed.js'
import type { Entry } from '../types.js'
import { type BatchResult, readBatch } from './batch.js'
import { batchOptions } from './policy.js'
import { asChange } from './settle.js'
import type { SignContext } from './stream-body.js'

/** Entries of one batch, at most: directories and links take no room among the files. */
const ENTRIES_MAX = 4 * BATCH_FILES
const NUL = Buffer.alloc(1)

/** Runs of plain entries as a part of a tar: headers, contents and padding, and what is known of the files. */
export interface ReadRuns {
  readonly parts: readonly PlacedPart[]
  readonly tar: Uint8Array
  readonly batch: FileBatch
}

/** A run, and how far behind the start of the part each header is. */
export interface PlacedPart extends PlacedRun {
  readonly directory: ListedRun['directory']
  readonly places: Float64Array
}

/** Tells `ReadRuns` from other items. */
export function isReadRuns(item: object): item is ReadRuns {
  return 'parts' in item && 'tar' in item
}

/**
 * The parts of a run that can go into a tar in runs, and the entries between them that cannot: large and sparse files,
 * and names or numbers that need records.
 */
export function* partsOfRun(run: ListedRun, writer: RunWriter): Generator<PlannedRun | Entry, void, undefined> {
  const { directory, begin, end } = run
  const headers = writer.plan(directory, begin, end)
  const { types, sizes, sparse } = directory.listing
  let from = begin
  for (let i = begin; i <= end; i++) {
    const isFile = types[i] === FileType.file
    const isTaken = i < end && headers[i - begin]! > 0
    if (isTaken && !(isFile && (sizes[i]! > BATCHED_FILE_BYTES || sparse[i] === 1))) continue
    if (from < i) yield { run: new ListedRun(directory, from, i), headers: headers.subarray(from - begin, i - begin) }
    if (i < end) yield directory.entry(i)
    from = i + 1
  }
}

/** A run of which it is known how large the headers are. */
export interface PlannedRun {
  readonly run: ListedRun
  readonly headers: Uint32Array
}

/** Runs that are read in one job into one frame of a tar. Memory: the frame. */
export class RunBatch {
  readonly #runs: ListedRun[] = []
  readonly #names: Uint8Array[] = []
  readonly #gaps: number[] = []
  /** Headers since the last content. */
  #gap = 0
  #entries = 0
  #bytes = 0
  #job: Promise<readonly (BatchResult | ReadRuns)[]> | undefined

  constructor(readonly writer: RunWriter) {}

  get bytes(): number {
    return this.#bytes
  }

  get isStarted(): boolean {
    return this.#job !== undefined
  }

  /** Takes as many entries of the run as there is room for; undefined if all, else the rest. */
  add({ run, headers }: PlannedRun): PlannedRun | undefined {
    const { directory, begin, end } = run
    const { types, sizes } = directory.listing
    let at = begin
    for (; at < end; at++) {
      const header = headers[at - begin]!
      const isFile = types[at] === FileType.file
      const sizeBytes = header + (isFile ? Math.ceil(sizes[at]! / 512) * 512 : 0)
      if (!this.#hasRoom(sizeBytes)) break
      this.#entries++
      this.#bytes += sizeBytes
      this.#gap += header
      if (!isFile) continue
      this.#names.push(encodePath(directory.pathOf(at)), NUL)
      this.#gaps.push(this.#gap)
      this.#gap = 0
    }
    if (begin < at) this.#runs.push(new ListedRun(directory, begin, at))
    return at === end ? undefined : { run: new ListedRun(directory, at, end), headers: headers.subarray(at - begin) }
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

  /** What was read, as one item; entry by entry if anything is not as it was listed. */
  results(): Promise<readonly (BatchResult | ReadRuns)[]> {
    return this.#job!
  }

  async #read(context: SignContext): Promise<readonly (BatchResult | ReadRuns)[]> {
    const { policy, memory, signal } = context
    const { root } = this.#runs[0]!.directory
    const slab = memory?.take(FRAME_BYTES) ?? Buffer.allocUnsafeSlow(FRAME_BYTES)
    const options = { ...batchOptions(policy), gaps: Uint32Array.from(this.#gaps) }
    const names = Buffer.concat(this.#names)
    const batch = await readFiles(root, names, this.#gaps.length, slab.subarray(0, FRAME_BYTES), options, signal)
    const read = isAsListed(batch) ? this.#toTar(batch, slab) : undefined
    memory?.lend(slab, read === undefined ? 0 : 1)
    return read === undefined ? await this.#readAgain(context) : [read]
  }

  #toTar(batch: FileBatch, slab: Uint8Array): ReadRuns | undefined {
    const parts: PlacedPart[] = []
    let at = 0
    let first = 0
    for (const { directory, begin, end } of this.#runs) {
      const part = { directory, begin, end, batch, first, places: new Float64Array(end - begin) }
      const next = this.writer.headers(part, slab, at, part.places)
      if (next === undefined) return undefined
      at = next
      for (let i = begin; i < end; i++) if (directory.listing.types[i] === FileType.file) first++
      parts.push(part)
    }
    return { parts, tar: slab.subarray(0, at), batch }
  }

  async #readAgain(context: SignContext): Promise<readonly BatchResult[]> {
    const entries = this.#runs.flatMap(run => [...run.entries()])
    const files = entries.filter(({ type }) => type === 'file')
    const results = (await readBatch(this.#runs[0]!.directory.root, files, context)).values()
    return entries.map(entry => (entry.type === 'file' ? results.next().value! : asChange(entry)))
  }
}

/** Whether every file was read, and was at rest. */
function isAsListed({ errnos, flags }: FileBatch): boolean {
  return errnos.every(errno => errno === 0) && flags.every(flag => (flag & ~FILE_RACY) === 0)
}
