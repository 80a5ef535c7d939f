import { createHash } from 'node:crypto'
import { createBreather } from '../breathe.js'
import { BackupError } from '../errors.js'
import { comparePaths, printPath } from '../path.js'
import type { Source, StateClosing, StateEntry, StateHeader } from '../types.js'
import { invalid } from './fields.js'
import { CLOSING_START, decodeStateClosing, decodeStateEntry, decodeStateHeader } from './state-decode.js'
import { stateLines, type Window } from './state-lines.js'
import { StateScanner } from './state-scan.js'

/** A state that is being read. */
export interface StateReader {
  readonly header: StateHeader
  /** Where the line of the entry that came last begins, before compression. */
  readonly offset: number
  /** The entries in path order, once. To stop early ends the source, too. */
  entries(): AsyncGenerator<StateEntry, void, undefined>
  /** As `entries`, a group of lines at a time: an entry is read when its turn in the group comes. */
  groups(): AsyncGenerator<Iterable<StateEntry>, void, undefined>
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

  async *entries(): AsyncGenerator<StateEntry, void, undefined> {
    const breather = createBreather()
    for await (const group of this.groups()) {
      for (const entry of group) {
        yield entry
        if (breather.due()) await breather.pause()
      }
    }
  }

  async *groups(): AsyncGenerator<Iterable<StateEntry>, void, undefined> {
    if (!this.#isOpen) throw new BackupError('IBT_STATE_INVALID', 'The entries of a state can be read once')
    this.#isOpen = false
    const lines = this.#lines
    try {
      yield lines.entries(this.first, this.first.text.indexOf('\n') + 1)
      for (let next = await this.windows.next(); !next.done; next = await this.windows.next()) {
        yield lines.entries(next.value, 0)
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

/** The lines behind the header: which may come next. */
class Lines {
  #previous: StateEntry | undefined
  #expectsEntry: boolean | undefined
  #closing: StateClosing | undefined

  /** Where the last entry's line begins. */
  offset = 0
  #windowStart = 0
  readonly #scanner: StateScanner
  readonly #hash = createHash('sha256')

  constructor(readonly header: StateHeader) {
    this.#scanner = new StateScanner(header.chain)
  }

  /** The entries of a window from a line on. */
  *entries(window: Window, from: number): Generator<StateEntry, void, undefined> {
    const { bytes, text } = window
    const wasClosed = this.#closing !== undefined
    let hashed = wasClosed ? 0 : bytes.length
    for (let start = from; start < text.length; ) {
      const end = text.indexOf('\n', start)
      if (start === end) {
        // An empty line says nothing.
      } else if (this.#closing !== undefined)
        throw invalid(lineAt(window, start, end), 'nothing after the closing line')
      else if (text.startsWith(CLOSING_START, start)) {
        this.#close(lineAt(window, start, end))
        hashed = start
      } else {
        this.offset = this.#windowStart + start
        yield this.#entry(window, start, end)
      }
      start = end + 1
    }
    this.#windowStart += bytes.length
    this.#hash.update(bytes.subarray(0, hashed))
  }

  #close(line: string): void {
    if (this.#expectsEntry === true) throw invalid(line, 'an entry after a comma')
    this.#closing = decodeStateClosing(line)
  }

  #entry(window: Window, start: number, end: number): StateEntry {
    if (this.#expectsEntry === false)
      throw invalid(lineAt(window, start, end), 'the closing line after an entry without a comma')
    this.#expectsEntry = window.text.charAt(end - 1) === ','
    const scanner = this.#scanner
    const entry = scanner.scan(window, start, end) ?? decodeStateEntry(lineAt(window, start, end), this.header.chain)
    if (!scanner.wasBehind) checkOrder(this.#previous, entry)
    this.#previous = entry
    return entry
  }

  end(): StateClosing {
    if (this.#closing === undefined) throw truncated('ends before its closing line')
    const { linesSha256 } = this.#closing
    const found = this.#hash.digest('hex')
    if (linesSha256 === undefined || linesSha256 === found) return this.#closing
    const { key, date } = this.header
    const message = `The state of ${key} of ${date} is damaged: its lines have the SHA-256 ${found}, not ${linesSha256}`
    throw new BackupError('IBT_HASH_MISMATCH', message, { path: key })
  }
}

function checkOrder(previous: StateEntry | undefined, entry: StateEntry): void {
  if (previous === undefined || comparePaths(previous.path, entry.path) < 0) return
  const message = `${printPath(entry.path)} comes after ${printPath(previous.path)} in a state, which is not path order`
  throw new BackupError('IBT_OUT_OF_ORDER', message, { path: entry.path })
}

function lineAt({ bytes }: Window, start: number, end: number): string {
  return bytes.toString('utf8', start, end)
}

function truncated(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_TRUNCATED', `The state ${what}`)
}
