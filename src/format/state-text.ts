import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import type { ChainLink, StateEntry, StateHeader } from '../types.js'
import { encodeStateEntry, encodeStateHeader } from './state-encode.js'
import { lineOf, type StateLine } from './state-line.js'
import { STATE_LINE_BYTES } from './state-lines.js'

const SEPARATOR = ',\n'

/**
 * Gathers the lines of a state, from its header to its last entry.
 *
 * An entry that comes just as it was read from another state of the chain is not encoded: its bytes are copied, and with
 * those of its neighbours at once. The dates of places are numbers in the chain, which grows at its end only.
 */
export class StateText {
  /** Bytes gathered, about: a character of text counts as one. */
  length = 0
  readonly #chain: readonly ChainLink[]
  readonly #index: ReadonlyMap<string, number>
  #knownChain: readonly ChainLink[] | undefined
  #parts: Uint8Array[] = []
  #text = ''
  #run: { readonly bytes: Buffer; readonly start: number; end: number } | undefined
  #separator = ''

  /** @throws TypeError for a chain that does not end with the state's own date */
  constructor(header: StateHeader) {
    this.#chain = header.chain
    this.#index = chainIndex(header)
    this.#append(`${checkLine(encodeStateHeader(header), 'header')}\n`)
  }

  /** @throws BackupError IBT_STATE_INVALID for a place whose date is not in the chain, and for too long a line */
  add(entry: StateEntry): void {
    const line = lineOf(entry)
    if (line !== undefined && this.#extends(line.chain)) this.#copy(line)
    else this.#append(`${this.#separator}${checkLine(encodeStateEntry(entry, this.#index), entry.path)}`)
    this.#separator = SEPARATOR
  }

  /** Adds lines in a row. @throws TypeError for those of a state that is none of the chain */
  addLines(lines: StateLine): void {
    if (!this.#extends(lines.chain)) throw new TypeError('stateEmit: lines of a state that is not in the chain')
    this.#copy(lines)
    this.#separator = SEPARATOR
  }

  /** Adds lines that were encoded elsewhere, without what follows the last. */
  addBytes(lines: Uint8Array): void {
    this.#append(this.#separator)
    this.#endText()
    this.#parts.push(lines)
    this.length += lines.length
    this.#separator = SEPARATOR
  }

  /** Ends the last line. */
  end(): void {
    this.#append('\n')
  }

  /** What was gathered since the last call. */
  take(): Buffer {
    this.#endRun()
    this.#endText()
    const bytes = Buffer.concat(this.#parts)
    this.#parts = []
    this.length = 0
    return bytes
  }

  #append(text: string): void {
    this.#endRun()
    this.#text += text
    this.length += text.length
  }

  #copy({ window: { bytes }, start, end }: StateLine): void {
    if (this.#run?.bytes === bytes && this.#run.end + SEPARATOR.length === start) {
      this.length += end - this.#run.end
      this.#run.end = end
      return
    }
    this.#append(this.#separator)
    this.#endText()
    this.#run = { bytes, start, end }
    this.length += end - start
  }

  #endRun(): void {
    if (this.#run === undefined) return
    const { bytes, start, end } = this.#run
    this.#parts.push(bytes.subarray(start, end))
    this.#run = undefined
  }

  #endText(): void {
    if (this.#text !== '') this.#parts.push(Buffer.from(this.#text, 'utf8'))
    this.#text = ''
  }

  /** Whether a number in the other chain is the same date in ours. */
  #extends(chain: readonly ChainLink[]): boolean {
    if (chain === this.#knownChain) return true
    if (!chain.every(({ date }, i) => this.#chain[i]?.date === date)) return false
    this.#knownChain = chain
    return true
  }
}

/** Numbers the dates of the chain; the empty date of a place is this backup's own. */
function chainIndex({ chain, date }: StateHeader): Map<string, number> {
  const index = new Map(chain.map((link, i) => [link.date, i]))
  const own = index.get(date)
  if (own === undefined) throw new TypeError('stateEmit: the chain of the header ends with its own date')
  return index.set('', own)
}

/** A line that readers take. @throws BackupError IBT_STATE_INVALID above `STATE_LINE_BYTES` */
export function checkLine(line: string, what: string): string {
  const roomBytes = STATE_LINE_BYTES - SEPARATOR.length
  // A character is three bytes at most.
  if (line.length * 3 <= roomBytes || Buffer.byteLength(line) <= roomBytes) return line
  const message = `The line of ${printPath(what)} in the state would have more than ${STATE_LINE_BYTES} bytes`
  throw new BackupError('IBT_STATE_INVALID', message, { path: what })
}
