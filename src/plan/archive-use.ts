import { Tail } from '../codec/tail.js'
import { padding } from '../format/tar.js'
import type { StoredArtifact } from '../stores/chain.js'
import type { ArchiveKind, FrameIndex, Store, StoredName, StoreOptions } from '../types.js'

/** Bytes of the header of an entry, with records for its times. */
export const HEADER_BYTES = 1536
/** Stored bytes that a reader fetches together where frames follow each other. */
const FETCH_BYTES = 1024 * 1024

/** What is read of an archive. */
export interface PlannedArchive {
  readonly name: string
  readonly kind: ArchiveKind
  readonly date: string
  /** Of all of it, as stored. */
  readonly sizeBytes: number
  readonly frames: number
  readonly readFrames: number
  /** Stored bytes of the frames that are read. */
  readonly frameBytes: number
  /** Bytes of the frames, and of what is read to have the seek table. */
  readonly readBytes: number
  readonly requests: number
  /** It has to be thawed before: nothing of it can be read now, so that it counts as one frame that is read whole. */
  readonly cold?: StoredName['cold']
}

/** What is planned for an archive whose seek table cannot be read. */
export function coldArchive({ name, kind, date, sizeBytes, cold }: StoredArtifact): PlannedArchive {
  const read = { frames: 1, readFrames: 1, frameBytes: sizeBytes, readBytes: sizeBytes, requests: 1 }
  return { name, kind: kind as ArchiveKind, date, sizeBytes, ...read, cold }
}

/** A body in an archive. */
export interface Extent {
  readonly offset: number
  readonly sizeBytes: number
  /** The body may be smaller: it ends in front of the next that is read. `sparse`: because holes are not stored. */
  readonly guess?: 'sparse' | 'older' | undefined
}

/** The frames of an archive that bodies are in. Memory: its seek table, and a byte for each frame. */
export class ArchiveUse {
  readonly #used: Uint8Array
  #guess: Extent | undefined
  #sparseBytes = 0

  private constructor(
    readonly artifact: StoredArtifact,
    readonly index: FrameIndex,
    readonly tail: Tail,
    /** What it took to read the seek table. */
    readonly table: { readonly requests: number; readonly bytes: number }
  ) {
    this.#used = new Uint8Array(index.frames)
  }

  /** Reads the seek table. @throws BackupError as `codec.index` does */
  static async open(store: Store, artifact: StoredArtifact, options: StoreOptions): Promise<ArchiveUse> {
    const { name, sizeBytes, codec } = artifact
    const table = { requests: 0, bytes: 0 }
    const read = async (start: number, end: number) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of store.get(name, { start, end }, options)) chunks.push(chunk)
      table.requests++
      table.bytes += end - start
      return Buffer.concat(chunks)
    }
    const tail = new Tail(read, sizeBytes, name)
    return new ArchiveUse(artifact, await codec().index(tail.read, sizeBytes, name), tail, table)
  }

  /** Marks the frames of a body. Bodies come nearly in the order of the archive. */
  add(extent: Extent): void {
    this.#endGuess(extent.offset - HEADER_BYTES)
    if (extent.guess === undefined) this.#mark(extent.offset, extent.sizeBytes)
    else this.#guess = extent
  }

  /** Ends the bodies. */
  end(): void {
    this.#endGuess(this.index.sizeBytes)
  }

  #endGuess(end: number): void {
    if (this.#guess === undefined) return
    const { offset, sizeBytes, guess } = this.#guess
    this.#guess = undefined
    const room = (end > offset ? end : this.index.sizeBytes) - offset
    const bytes = Math.min(sizeBytes, room)
    this.#mark(offset, bytes)
    if (guess === 'sparse') this.#sparseBytes += bytes
  }

  /** About the bytes that sparse contents have in the archive. */
  get sparseBytes(): number {
    return this.#sparseBytes
  }

  #mark(offset: number, sizeBytes: number): void {
    const { index } = this
    const end = Math.min(index.sizeBytes, offset + HEADER_BYTES + sizeBytes + padding(sizeBytes))
    for (let at = offset; at < end; ) {
      const found = index.find(at)
      const frame = index.frame(found)
      this.#used[found] = 1
      at = frame.start + frame.sizeBytes
    }
  }

  /** Bytes of the frames that are read, as stored and before compression. */
  get bytes(): { readonly storedBytes: number; readonly sizeBytes: number } {
    let [storedBytes, sizeBytes] = [0, 0]
    for (const frame of this.#frames()) {
      storedBytes += frame.storedBytes
      sizeBytes += frame.sizeBytes
    }
    return { storedBytes, sizeBytes }
  }

  plan(): PlannedArchive {
    const { tail } = this
    let [readFrames, frameBytes, requests, readBytes] = [0, 0, this.table.requests, this.table.bytes]
    let fetched = { start: 0, end: -1 }
    let hasTail = tail.memoryBytes > 0
    for (const { storedStart, storedBytes } of this.#frames()) {
      readFrames++
      frameBytes += storedBytes
      if (tail.has(storedStart)) {
        if (!hasTail) requests++
        if (!hasTail) readBytes += tail.storedBytes - tail.start
        hasTail = true
        continue
      }
      const end = storedStart + storedBytes
      readBytes += (hasTail ? Math.min(end, tail.start) : end) - storedStart
      const isTogether = storedStart === fetched.end && end - fetched.start <= FETCH_BYTES
      if (!isTogether) requests++
      fetched = { start: isTogether ? fetched.start : storedStart, end }
    }
    const { name, kind, date, sizeBytes } = this.artifact
    const { frames } = this.index
    return { name, kind: kind as ArchiveKind, date, sizeBytes, frames, readFrames, frameBytes, readBytes, requests }
  }

  *#frames() {
    for (let i = 0; i < this.#used.length; i++) if (this.#used[i] !== 0) yield this.index.frame(i)
  }
}
