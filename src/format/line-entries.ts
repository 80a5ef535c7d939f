import type { StateEntry } from '../types.js'
import { decodeStateEntry } from './state-decode.js'
import type { StateLine } from './state-line.js'
import { StateScanner } from './state-scan.js'

const COMMA = 0x2c

/** The entries of lines that were read, or found to be in order, before. */
export function* lineEntries({ window, start, end, chain }: StateLine): Generator<StateEntry, void, undefined> {
  const scanner = new StateScanner(chain)
  for (let at = start; at < end; ) {
    const feed = window.text.indexOf('\n', at)
    const isLast = feed < 0 || feed >= end
    // What follows the last line does not belong to the lines, but a comma does to the one that it follows.
    const lineEnd = !isLast ? feed : window.bytes[end] === COMMA ? end + 1 : end
    yield scanner.scan(window, at, lineEnd) ?? decodeStateEntry(window.bytes.toString('utf8', at, lineEnd), chain)
    at = lineEnd + 1
  }
}
