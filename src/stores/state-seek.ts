import { type ArchiveReader, openArchive } from '../codec/archive-reader.js'
import { TAIL_READ_BYTES } from '../codec/limits.js'
import { BackupError } from '../errors.js'
import { toBatchSource } from '../flow/batches.js'
import { CLOSING_START, decodeStateEntry, decodeStateHeader } from '../format/state-decode.js'
import { Lines, truncated, WindowEntries } from '../format/state-entries.js'
import { STATE_LINE_BYTES, stateLines } from '../format/state-lines.js'
import type { StateReader } from '../format/state-reader.js'
import { comparePaths, ROOT_PATH } from '../path.js'
import type { Batched, Codec, ReadRange, StateEntry, StateHeader } from '../types.js'

/** Stored bytes that are fetched together where so few are left to be searched: about what one request costs in time. */
const FETCH_BYTES = 1024 * 1024
const NEWLINE = 0x0a

/** Where a state begins to be read. */
export interface SeekOptions {
  /** The first path that is wanted: what comes before it in path order is passed over. */
  readonly from: string
  /** Stored bytes that are fetched in one request rather than searched by several. Default: `FETCH_BYTES`. */
  readonly fetchBytes?: number | undefined
}

/** The stored artifact of a state. */
export interface StoredState {
  readonly name: string
  readonly sizeBytes: number
  readonly codec: Codec
  readonly read: ReadRange
}

/**
 * Reads a state from a path on: finds the place by a binary search through its frames, which are in path order.
 *
 * A state of up to twice `fetchBytes` is read in one request. Of a larger one it reads the end, the first frame, and one frame
 * for each halving. Nothing is read ahead of who pulls but the frames that are fetched together.
 * Memory: twice `fetchBytes`, and what an open archive has. The digest of the lines is not checked, for not all are read, and
 * the reader has no closing line.
 *
 * @throws BackupError as `openState` and `openArchive`.
 */
export async function openStateFrom(state: StoredState, options: SeekOptions): Promise<StateReader> {
  return (await openSought(state, options)).from(options.from)
}

/** Opens a state to be read from several paths on, one after the other: what was fetched last is in memory. */
export async function openSought(
  state: StoredState,
  { fetchBytes = FETCH_BYTES }: Pick<SeekOptions, 'fetchBytes'> = {}
): Promise<SoughtState> {
  const { name, sizeBytes, codec, read } = state
  const window = new FetchedRanges(read, 2 * fetchBytes)
  // A store that gives less than it lists is found out by whoever looks for the seek table.
  if (sizeBytes <= 2 * fetchBytes) await window.read(0, sizeBytes)
  const archive = await openArchive(window.read, sizeBytes, codec, name, undefined, TAIL_READ_BYTES)
  return new SoughtState(archive, window, { storedBytes: sizeBytes, fetchBytes })
}

/** Stored bytes in memory: the ranges that were read last, at least one. */
class FetchedRanges {
  readonly #ranges: { readonly start: number; readonly bytes: Uint8Array }[] = []

  constructor(
    readonly source: ReadRange,
    readonly bytesMax: number
  ) {}

  readonly read: ReadRange = async (start, end) => {
    const held = this.#ranges.find(range => start >= range.start && end <= range.start + range.bytes.length)
    if (held !== undefined) return held.bytes.subarray(start - held.start, end - held.start)
    const bytes = await this.source(start, end)
    this.#ranges.push({ start, bytes })
    while (this.#ranges.length > 1 && this.#heldBytes > this.bytesMax) this.#ranges.shift()
    return bytes
  }

  get #heldBytes(): number {
    return this.#ranges.reduce((total, { bytes }) => total + bytes.length, 0)
  }
}

/** A line without its line feed, and where it begins. */
interface Line {
  readonly start: number
  readonly bytes: Buffer
}

/** A state that is searched. */
export class SoughtState {
  readonly storedBytes: number
  readonly fetchBytes: number

  constructor(
    readonly archive: ArchiveReader,
    readonly window: FetchedRanges,
    { storedBytes, fetchBytes }: { readonly storedBytes: number; readonly fetchBytes: number }
  ) {
    this.storedBytes = storedBytes
    this.fetchBytes = fetchBytes
  }

  /** @throws BackupError IBT_STATE_INVALID, IBT_STATE_VERSION, and what the archive throws */
  async from(path: string): Promise<StateReader> {
    const first = await this.lineAt(0)
    if (first !== undefined)
      return this.#reader(decodeStateHeader(first.bytes.toString('utf8')), first.bytes.length + 1, path)
    const { name } = this.archive
    throw new BackupError('IBT_STATE_INVALID', `${name} is not a state: it has no lines`, { path: name })
  }

  #reader(header: StateHeader, entriesStart: number, from: string): StateReader {
    const lines = new Lines(header)
    let start = 0
    let isOpen = true
    const open = async function* (this: SoughtState): AsyncGenerator<Batched<StateEntry>, void, undefined> {
      if (!isOpen) throw new BackupError('IBT_STATE_INVALID', 'The entries of a state can be read only once')
      isOpen = false
      start = await this.#startOf(header, entriesStart, from)
      let isBefore = true
      for await (const window of stateLines(this.#bytes(start))) {
        const entries = new WindowEntries(lines, window, 0)
        if (isBefore) {
          for (const entry of entries) {
            if (isBefore && comparePaths(entry.path, from) < 0) continue
            isBefore = false
            yield entry
          }
        } else yield entries
      }
      if (!lines.isClosed) throw truncated('ends before its closing line')
    }
    return {
      header,
      get offset() {
        return start + lines.offset
      },
      entries: () => toBatchSource(open.bind(this)),
      closing() {
        throw new BackupError('IBT_STATE_INVALID', 'The state was not read from its first line to its closing line')
      },
      async close() {
        isOpen = false
      }
    }
  }

  /** Fetches the stored bytes of the frames from `low` up to `high` in one request, unless they are in memory. */
  async fetch(low: number, high: number): Promise<void> {
    const { index } = this.archive
    // What a codec has made of the stored bytes has other offsets.
    if (index.read !== undefined || low >= high) return
    const last = index.frame(high - 1)
    // The archive has its tail in memory.
    const end = Math.min(last.storedStart + last.storedBytes, this.storedBytes - TAIL_READ_BYTES)
    const { storedStart } = index.frame(low)
    if (storedStart < end) await this.window.read(storedStart, end)
  }

  /** Where a line begins that is not behind the path, in its frame or the one before. */
  async #startOf(header: StateHeader, entriesStart: number, from: string): Promise<number> {
    const { index } = this.archive
    let start = entriesStart
    let low = 0
    // The root is the first entry.
    let high = from === ROOT_PATH ? 0 : index.frames
    while (high - low > 1) {
      if (this.#spanBytes(low, high) <= this.fetchBytes) await this.fetch(low, high)
      const middle = (low + high) >>> 1
      const line = await this.lineAt(index.frame(middle).start, { isWithin: true })
      if (line === undefined || isBehind(line.bytes, header, from)) high = middle
      else {
        low = middle
        start = line.start
      }
    }
    return start
  }

  #spanBytes(low: number, high: number): number {
    const { index } = this.archive
    const last = index.frame(high - 1)
    return last.storedStart + last.storedBytes - index.frame(low).storedStart
  }

  /** The decoded bytes from an offset on: first the rest of a frame, and what follows only for who goes on. */
  async *#bytes(offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { archive } = this
    const { start, sizeBytes } = archive.index.frame(archive.index.find(offset))
    const end = start + sizeBytes
    yield* archive.bytes(offset, end - offset)
    yield* archive.bytes(end, archive.sizeBytes - end)
  }

  /** The line that begins at an offset; with `isWithin` the next one that begins behind it. Undefined if there is none. */
  async lineAt(offset: number, { isWithin = false } = {}): Promise<Line | undefined> {
    const parts: Uint8Array[] = []
    let start = isWithin ? undefined : offset
    let lineBytes = 0
    let at = offset
    for await (let bytes of this.#bytes(offset)) {
      const frameStart = at
      at += bytes.length
      if (start === undefined) {
        const feed = bytes.indexOf(NEWLINE)
        if (feed < 0) continue
        start = frameStart + feed + 1
        bytes = bytes.subarray(feed + 1)
      }
      const end = bytes.indexOf(NEWLINE)
      if (end >= 0) return { start, bytes: Buffer.concat([...parts, bytes.subarray(0, end)]) }
      parts.push(bytes)
      lineBytes += bytes.length
      if (lineBytes > STATE_LINE_BYTES) return undefined
    }
    return undefined
  }
}

/** Whether the entry of a line comes behind the path; the closing line comes behind every path. */
function isBehind(line: Buffer, { chain }: StateHeader, path: string): boolean {
  const text = line.toString('utf8')
  return text.startsWith(CLOSING_START) || comparePaths(decodeStateEntry(text, chain).path, path) > 0
}
