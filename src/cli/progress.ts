import { printPath } from '../path.js'
import type { Progress } from '../pipelines/options.js'
import { formatBytes, formatCount, formatSeconds } from './format.js'

const REDRAW_MS = 100
const CLEAR_LINE = '\r\x1b[K'

/** A line on a terminal that says how far a run is. Memory: constant. */
export class ProgressLine {
  readonly #started = Date.now()
  #drawnAt = 0
  #isShown = false

  /** `totalBytes`: what is to come, if it is known. */
  constructor(
    readonly stream: NodeJS.WriteStream,
    public totalBytes?: number
  ) {}

  update(progress: Progress): void {
    const now = Date.now()
    if (now - this.#drawnAt < REDRAW_MS) return
    this.#drawnAt = now
    const columns = this.stream.columns || 80
    const facts = this.#facts(progress, now - this.#started)
    const room = columns - facts.length - 3
    this.stream.write(
      `${CLEAR_LINE}${facts.slice(0, columns - 1)}${room > 8 ? `  ${shorten(printPath(progress.path), room)}` : ''}`
    )
    this.#isShown = true
  }

  clear(): void {
    if (this.#isShown) this.stream.write(CLEAR_LINE)
    this.#isShown = false
  }

  #facts({ files, sizeBytes }: Progress, elapsedMs: number): string {
    const rate = sizeBytes / Math.max(elapsedMs, 1)
    const facts = [formatBytes(sizeBytes), formatCount(files, 'file'), `${formatBytes(rate * 1000)}/s`]
    if (this.totalBytes !== undefined && this.totalBytes > 0) {
      const share = Math.min(1, sizeBytes / this.totalBytes)
      facts.unshift(`${Math.floor(share * 100)} %`)
      if (rate > 0 && share < 1) facts.push(`${formatSeconds((this.totalBytes - sizeBytes) / rate)} left`)
    }
    return facts.join('  ')
  }
}

/** The end of a path says more than its beginning. */
function shorten(path: string, columns: number): string {
  const characters = [...path]
  let width = 0
  let from = characters.length
  while (from > 0 && (width += widthOf(characters[from - 1]!)) < columns) from--
  return from === 0 ? path : `…${characters.slice(from + 1).join('')}`
}

/** Columns of a character: two from where East Asian scripts and emoji begin. */
function widthOf(character: string): number {
  return character.codePointAt(0)! >= 0x1100 ? 2 : 1
}
