import type { StateEntry } from '../types.js'
import type { Stretch, Stretches } from './stretches.js'

interface Waiting {
  readonly path: string
  readonly stretch: Stretch
}

/**
 * Follows the contents of chosen stretches through a pipeline, which keeps their order, and says which stretches are proven
 * to the last content. A content that a stage drops is not proven, and its stretch with it.
 * Memory: what the pipeline reads ahead, and one number a stretch.
 */
export class ProofPass {
  readonly #left: Map<Stretch, number>
  #waiting: Waiting[] = []
  #at = 0

  constructor(
    readonly stretches: Stretches,
    readonly chosen: ReadonlySet<Stretch>
  ) {
    this.#left = new Map([...chosen].map(stretch => [stretch, stretch.files]))
  }

  /** Whether an entry goes on: not a file whose content is in no chosen stretch. */
  takes(entry: StateEntry): boolean {
    const stretch = this.stretches.of(entry)
    if (stretch === undefined) return true
    if (!this.chosen.has(stretch)) return false
    this.#waiting.push({ path: entry.path, stretch })
    return true
  }

  /** An entry has come out; returns the stretch of which it is the last content, if all of them are proven. */
  settle(path: string, isProven: boolean): Stretch | undefined {
    let found = this.#at
    while (found < this.#waiting.length && this.#waiting[found]!.path !== path) found++
    if (found === this.#waiting.length) return undefined
    for (; this.#at < found; this.#at++) this.#left.delete(this.#waiting[this.#at]!.stretch)
    const { stretch } = this.#waiting[this.#at++]!
    this.#compact()
    if (!isProven) this.#left.delete(stretch)
    const left = (this.#left.get(stretch) ?? 0) - 1
    if (left >= 0) this.#left.set(stretch, left)
    return left === 0 ? stretch : undefined
  }

  #compact(): void {
    if (2 * this.#at < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#at)
    this.#at = 0
  }
}
