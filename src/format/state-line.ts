import { Given } from '../flow/given.js'
import type { ChainLink, StateEntry } from '../types.js'
import type { Window } from './state-lines.js'

/** The bytes that an entry, or several in a row, were read from, without the comma and the line feed behind the last. */
export interface StateLine {
  readonly window: Window
  readonly start: number
  readonly end: number
  /** What the dates of its places are indexes into. */
  readonly chain: readonly ChainLink[]
}

/** A private field is in no copy of the entry: whoever changes a field makes a copy, which has no line. */
class Lined extends Given {
  readonly #line: StateLine

  constructor(entry: StateEntry, line: StateLine) {
    super(entry)
    this.#line = line
  }

  static lineOf(entry: object): StateLine | undefined {
    return #line in entry ? entry.#line : undefined
  }
}

/** Remembers the line of an entry. The entry stays a plain object; no copy of it has the line. */
export function rememberLine(entry: StateEntry, line: StateLine): StateEntry {
  return new Lined(entry, line) as object as StateEntry
}

/** The line that an entry was read from, if it is the very object that was read. */
export function lineOf(entry: StateEntry): StateLine | undefined {
  return Lined.lineOf(entry)
}
