import { BATCH_BYTES, BATCH_FILES, BATCHED_FILE_BYTES, SLOT_ENTRIES, SLOTS } from '../constants.js'
import type { Entry } from '../types.js'
import { type BatchResult, readBatch } from './batch.js'
import type { DiskContent } from './disk.js'
import type { SignContext } from './stream-body.js'

/** Consecutive items: those to be read are one job, the others keep their places between them. */
class Slot<T> {
  readonly files: Entry[] = []
  bytes = 0
  readonly #items: (T | { readonly file: number })[] = []
  #job: Promise<BatchResult[]> | undefined

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

  add(item: T): void {
    this.#items.push(item)
  }

  addFile(file: Entry): void {
    this.#items.push({ file: this.files.push(file) - 1 })
    this.bytes += file.sizeBytes ?? 0
  }

  start(context: SignContext): void {
    if (this.#job !== undefined || this.root === undefined) return
    this.#job = readBatch(this.root, this.files, context)
    this.#job.catch(() => {})
  }

  async results(): Promise<(T | BatchResult)[]> {
    const results = (await this.#job) ?? []
    return this.#items.map(item => (isFile(item) ? results[item.file]! : item))
  }
}

function isFile(item: unknown): item is { readonly file: number } {
  return typeof item === 'object' && item !== null && 'file' in item
}

/** Items in order, of which some are files that are being read in batches. */
export class ReadQueue<T extends object> {
  readonly #slots: Slot<T>[] = []
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
    const slot = this.#slots.at(-1)
    if (slot !== undefined && !slot.isFull) slot.add(item)
    else this.#open(undefined, false).add(item)
  }

  /** Takes a file whose content is a `DiskContent`. */
  read(file: Entry): void {
    const { root } = file.content as DiskContent
    const last = this.#slots.at(-1)
    const slot = last?.takes(file, root) ? last : this.#open(root, (file.sizeBytes ?? 0) <= BATCHED_FILE_BYTES)
    slot.addFile(file)
    this.#bytes += file.sizeBytes ?? 0
    if (slot.isFull || !slot.isShared) this.#start(slot)
  }

  /** The oldest items, when all of them have been read. */
  async shift(): Promise<(T | BatchResult)[]> {
    const slot = this.#slots.shift()!
    this.#start(slot)
    const results = await slot.results()
    this.#bytes -= slot.bytes
    return results
  }

  #open(root: Uint8Array | undefined, isShared: boolean): Slot<T> {
    const last = this.#slots.at(-1)
    if (last !== undefined) this.#start(last)
    const slot = new Slot<T>(root, isShared)
    this.#slots.push(slot)
    return slot
  }
  #start(slot: Slot<T>): void {
    slot.start(this.context)
  }
}
