import { createHash } from 'node:crypto'
import { BackupError } from '../errors.js'
import { comparePaths, printPath } from '../path.js'
import { type Batch, batchOf, type ChainLink, type StateClosing, type StateEntry, type StateHeader } from '../types.js'
import { invalid } from './fields.js'
import { CLOSING_START, decodeStateClosing, decodeStateEntry } from './state-decode.js'
import type { StateLine } from './state-line.js'
import type { Window } from './state-lines.js'
import { StateScanner } from './state-scan.js'

const NEWLINE = 0x0a
const COMMA = 0x2c

/** The lines behind the header: which may come next. */
export class Lines {
  #previous: StateEntry | undefined
  /** The last line that was passed over, if none was read since. */
  #passed: { readonly window: Window; readonly start: number; readonly end: number } | undefined
  #expectsEntry: boolean | undefined
  #closing: StateClosing | undefined

  /** Where the last entry's line begins. */
  offset = 0
  /** Where the window begins that is being read. */
  windowStart = 0
  readonly #scanner: StateScanner
  readonly #hash = createHash('sha256')

  constructor(readonly header: StateHeader) {
    this.#scanner = new StateScanner(header.chain)
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /** The entry of a line; undefined if it is the closing line. */
  read(window: Window, start: number, end: number): StateEntry | undefined {
    if (this.#closing !== undefined) throw invalid(lineAt(window, start, end), 'nothing after the closing line')
    if (window.text.startsWith(CLOSING_START, start)) {
      this.#close(lineAt(window, start, end))
      return undefined
    }
    this.offset = this.windowStart + start
    return this.#entry(window, start, end)
  }

  /** Lines that were found to be in order, each with a comma, and were not read. */
  pass(window: Window, end: number): void {
    const last = window.bytes.lastIndexOf(NEWLINE, end - 2) + 1
    this.offset = this.windowStart + last
    this.#expectsEntry = true
    this.#scanner.pass(window, last)
    this.#previous = undefined
    this.#passed = { window, start: last, end: end - 1 }
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
    if (!scanner.wasBehind) checkOrder(this.#previousEntry(), entry)
    this.#previous = entry
    this.#passed = undefined
    return entry
  }

  #previousEntry(): StateEntry | undefined {
    if (this.#previous !== undefined || this.#passed === undefined) return this.#previous
    const { window, start, end } = this.#passed
    return decodeStateEntry(lineAt(window, start, end), this.header.chain)
  }

  /** All of a window has been read. */
  finish(window: Window, linesEnd: number): void {
    this.windowStart += window.bytes.length
    this.#hash.update(window.bytes.subarray(0, linesEnd))
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

/** The entries of one window: each is read when its turn comes, or passed over with others by who knows what it is. */
export class WindowEntries implements IterableIterator<StateEntry>, Batch<StateEntry> {
  readonly [batchOf] = 'window'
  #at: number
  #linesEnd: number
  #isOver = false

  constructor(
    readonly lines: Lines,
    readonly window: Window,
    from: number
  ) {
    this.#at = from
    this.#linesEnd = lines.isClosed ? 0 : window.bytes.length
  }

  /** Lines that are left. */
  get length(): number {
    let lines = 0
    for (let at = this.#at; at < this.window.bytes.length; at = this.window.bytes.indexOf(NEWLINE, at) + 1) lines++
    return lines
  }

  /** The rest: what was taken or passed over does not come again. */
  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<StateEntry, undefined> {
    const { lines, window } = this
    while (this.#at < window.bytes.length) {
      const start = this.#at
      const end = window.text.indexOf('\n', start)
      this.#at = end + 1
      // An empty line says nothing.
      if (start === end) continue
      const entry = lines.read(window, start, end)
      if (entry !== undefined) return { done: false, value: entry }
      this.#linesEnd = start
    }
    if (!this.#isOver) lines.finish(window, this.#linesEnd)
    this.#isOver = true
    return { done: true, value: undefined }
  }

  /** Where the line of the next entry begins, unless the closing line has been read. */
  get nextLine(): number {
    return this.lines.isClosed ? this.window.bytes.length : this.#at
  }

  /** What the dates of places are indexes into. */
  get chain(): readonly ChainLink[] {
    return this.lines.header.chain
  }

  /**
   * Passes over the next lines that end with a comma, of which nothing is known but that. What they say is not checked, but
   * for the digest of all lines.
   */
  skim(look: (line: StateLine, text: string, offset: number) => void): void {
    const { window, chain, lines } = this
    let end = 0
    for (let start = this.nextLine; start < window.bytes.length; start = end) {
      const feed = window.text.indexOf('\n', start)
      if (window.bytes[feed - 1] !== COMMA) break
      end = feed + 1
      look({ window, start, end: feed - 1, chain }, window.text.slice(start, feed - 1), lines.windowStart + start)
    }
    if (end > 0) this.pass(end)
  }

  /** Passes over the lines up to `end`, which are known to be in order, and in path order. */
  pass(end: number): void {
    this.#at = end
    this.lines.pass(this.window, end)
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

export function truncated(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_TRUNCATED', `The state ${what}`)
}
