import { createHash } from 'node:crypto'
import { createBreather } from '../breathe.js'
import { BackupError } from '../errors.js'
import { comparePaths, printPath } from '../path.js'
import type { Source, StateClosing, StateEntry, StateHeader } from '../types.js'
import { invalid } from './fields.js'
import { CLOSING_START, decodeStateClosing, decodeStateEntry, decodeStateHeader } from './state-decode.js'
import { stateLines } from './state-lines.js'

/** A state that is being read. */
export interface StateReader {
  readonly header: StateHeader
  /** The entries in path order, once. To stop early ends the source, too. */
  entries(): AsyncGenerator<StateEntry, void, undefined>
  /** The last line. @throws BackupError IBT_STATE_INVALID before all entries were read */
  closing(): StateClosing
  /** Ends a reading whose entries are not wanted. */
  close(): Promise<void>
}

/**
 * Reads a state: its header now, its entries when they are pulled.
 *
 * Consumes the bytes of a state before compression. Path order, which is checked.
 * Memory: one chunk and one line; the event loop stays free.
 *
 * @throws BackupError IBT_STATE_VERSION for a version or feature that is unknown, IBT_STATE_INVALID; while entries are
 * pulled, also IBT_OUT_OF_ORDER, IBT_UNSAFE_PATH, IBT_ARCHIVE_TRUNCATED where the closing line is missing, and
 * at their end IBT_HASH_MISMATCH if the lines are not those that were written.
 */
export async function openState(source: Source<Uint8Array>): Promise<StateReader> {
  const groups = stateLines(source)
  try {
    const first = await groups.next()
    const [line, ...rest] = first.done ? [] : first.value
    if (line === undefined) throw truncated('is empty')
    return new Reader(decodeStateHeader(line), line, rest, groups)
  } catch (error) {
    await groups.return()
    throw error
  }
}

class Reader implements StateReader {
  #closing: StateClosing | undefined
  #isOpen = true

  constructor(
    readonly header: StateHeader,
    readonly headerLine: string,
    readonly first: readonly string[],
    readonly groups: AsyncGenerator<readonly string[], void, undefined>
  ) {}

  async *entries(): AsyncGenerator<StateEntry, void, undefined> {
    if (!this.#isOpen) throw new BackupError('IBT_STATE_INVALID', 'The entries of a state can be read once')
    this.#isOpen = false
    const breather = createBreather()
    const cursor = new Cursor(this.header, this.headerLine)
    try {
      for (let lines = this.first; ; ) {
        for (const line of lines) {
          const entry = cursor.take(line)
          if (entry !== undefined) yield entry
          if (breather.due()) await breather.pause()
        }
        const next = await this.groups.next()
        if (next.done) break
        lines = next.value
      }
      this.#closing = cursor.end()
    } finally {
      await this.groups.return()
    }
  }

  closing(): StateClosing {
    if (this.#closing !== undefined) return this.#closing
    throw new BackupError('IBT_STATE_INVALID', 'The state was not read to its closing line')
  }

  async close(): Promise<void> {
    this.#isOpen = false
    await this.groups.return()
  }
}

/** Where a reading is: which line may come next. */
class Cursor {
  #previous: StateEntry | undefined
  #expectsEntry: boolean | undefined
  #closing: StateClosing | undefined

  readonly #hash = createHash('sha256')

  constructor(
    readonly header: StateHeader,
    headerLine: string
  ) {
    this.#hash.update(`${headerLine}\n`)
  }

  /** The entry of the line, if it is one. */
  take(line: string): StateEntry | undefined {
    if (this.#closing === undefined && !line.startsWith(CLOSING_START)) this.#hash.update(`${line}\n`)
    if (line === '') return undefined
    if (this.#closing !== undefined) throw invalid(line, 'nothing after the closing line')
    if (line.startsWith(CLOSING_START)) {
      if (this.#expectsEntry === true) throw invalid(line, 'an entry after a comma')
      this.#closing = decodeStateClosing(line)
      return undefined
    }
    if (this.#expectsEntry === false) throw invalid(line, 'the closing line after an entry without a comma')
    this.#expectsEntry = line.endsWith(',')
    const entry = decodeStateEntry(line, this.header.chain)
    if (this.#previous !== undefined && comparePaths(this.#previous.path, entry.path) >= 0) {
      const message = `${printPath(entry.path)} comes after ${printPath(this.#previous.path)} in a state, which is not path order`
      throw new BackupError('IBT_OUT_OF_ORDER', message, { path: entry.path })
    }
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

function truncated(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_TRUNCATED', `The state ${what}`)
}
