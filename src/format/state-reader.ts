import { BackupError } from '../errors.js'
import { toBatchSource } from '../flow/batches.js'
import type { Batched, BatchSource, Source, StateClosing, StateEntry, StateHeader } from '../types.js'
import { decodeStateHeader } from './state-decode.js'
import { Lines, truncated, WindowEntries } from './state-entries.js'
import { stateLines, type Window } from './state-lines.js'

/** A state that is being read. */
export interface StateReader {
  readonly header: StateHeader
  /** Where the line of the entry that came last begins, before compression. */
  readonly offset: number
  /** The entries in path order, once; a batch of lines at a time for whoever asks. To stop early ends the source, too. */
  entries(): BatchSource<StateEntry>
  /** The last line. @throws BackupError IBT_STATE_INVALID before all entries were read */
  closing(): StateClosing
  /** Ends a reading whose entries are not wanted. */
  close(): Promise<void>
}

/**
 * Reads a state: its header now, its entries when they are pulled.
 *
 * Consumes the bytes of a state before compression. Path order, which is checked.
 * Memory: one chunk and one line; the event loop stays free. Entries that are kept keep their part of the text.
 *
 * @throws BackupError IBT_STATE_VERSION for a version or feature that is unknown, IBT_STATE_INVALID; while entries are
 * pulled, also IBT_OUT_OF_ORDER, IBT_UNSAFE_PATH, IBT_ARCHIVE_TRUNCATED where the closing line is missing, and
 * at their end IBT_HASH_MISMATCH if the lines are not those that were written.
 */
export async function openState(source: Source<Uint8Array>): Promise<StateReader> {
  const windows = stateLines(source)
  try {
    const first = await windows.next()
    if (first.done) throw truncated('is empty')
    const { bytes, text } = first.value
    const line = bytes.toString('utf8', 0, text.indexOf('\n'))
    return new Reader(decodeStateHeader(line), first.value, windows)
  } catch (error) {
    await windows.return()
    throw error
  }
}

class Reader implements StateReader {
  readonly #lines: Lines
  #closing: StateClosing | undefined
  #isOpen = true

  constructor(
    readonly header: StateHeader,
    readonly first: Window,
    readonly windows: AsyncGenerator<Window, void, undefined>
  ) {
    this.#lines = new Lines(header)
  }

  get offset(): number {
    return this.#lines.offset
  }

  entries(): BatchSource<StateEntry> {
    return toBatchSource(() => this.#windows())
  }

  async *#windows(): AsyncGenerator<Batched<StateEntry>, void, undefined> {
    if (!this.#isOpen) throw new BackupError('IBT_STATE_INVALID', 'The entries of a state can be read only once')
    this.#isOpen = false
    const lines = this.#lines
    try {
      yield new WindowEntries(lines, this.first, this.first.text.indexOf('\n') + 1)
      for (let next = await this.windows.next(); !next.done; next = await this.windows.next()) {
        yield new WindowEntries(lines, next.value, 0)
      }
      this.#closing = lines.end()
    } finally {
      await this.windows.return()
    }
  }

  closing(): StateClosing {
    if (this.#closing !== undefined) return this.#closing
    throw new BackupError('IBT_STATE_INVALID', 'The state was not read to its closing line')
  }

  async close(): Promise<void> {
    this.#isOpen = false
    await this.windows.return()
  }
}
