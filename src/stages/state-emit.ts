import { createHash } from 'node:crypto'
import { FRAME_BYTES } from '../constants.js'
import { Tally } from '../content/tally.js'
import { encodeStateClosing, encodeStateEntry, encodeStateHeader } from '../format/state-encode.js'
import {
  type Artifact,
  type Chunk,
  type Counted,
  isPacked,
  isSealed,
  type Packed,
  type Piece,
  type Sealed,
  type Stage,
  type StateEntry,
  type StateHeader
} from '../types.js'

/** Options of `stateEmit`. */
export interface StateEmitOptions {
  /** The artifacts that the parent's state needs. Asked for at the end, when the parent's state has been read. */
  readonly inherited?: (() => readonly Artifact[]) | undefined
}

type Item = Packed | Chunk | Sealed

/** Characters of state text that are gathered before they become bytes: three bytes each at most. */
const TEXT_CHARACTERS = FRAME_BYTES / 4

/**
 * Writes the state: swallows the entries, and knows every sealed artifact before its closing line.
 *
 * Consumes `Packed` and looks at `Sealed`; yields `Piece` of kind `state`, and at the end `Counted`. Other items pass on.
 * Path order is its source's. Memory: one frame, and one table entry for each artifact of the chain.
 *
 * @throws whatever `inherited` throws.
 */
export function stateEmit(
  header: StateHeader,
  options: StateEmitOptions = {}
): Stage<Item, Chunk | Sealed | Piece | Counted> {
  return async function* stateEmitStage(source) {
    const index = chainIndex(header)
    const needed = new NeededArtifacts(header.date)
    const tally = new Tally()
    const hash = createHash('sha256')
    let text = `${encodeStateHeader(header)}\n`
    let separator = ''
    for await (const item of source) {
      if (!isPacked(item)) {
        if (isSealed(item)) needed.seal(item)
        yield item
        continue
      }
      tally.add(item)
      if (item.state === undefined) continue
      needed.add(item.state)
      text += `${separator}${encodeStateEntry(item.state, index)}`
      separator = ',\n'
      if (text.length >= TEXT_CHARACTERS) {
        hash.update(text)
        yield* toPieces(text)
        text = ''
      }
    }
    const { totals } = tally
    const artifacts = needed.artifacts(options.inherited?.() ?? [])
    const linesSha256 = hash.update(`${text}\n`).digest('hex')
    yield* toPieces(`${text}\n${encodeStateClosing({ totals, artifacts, linesSha256 })}\n`)
    yield { totals }
  }
}

/** Numbers the dates of the chain; the empty date of a place is this backup's own. */
function chainIndex({ chain, date }: StateHeader): Map<string, number> {
  const index = new Map(chain.map((link, i) => [link.date, i]))
  const own = index.get(date)
  if (own === undefined) throw new TypeError('stateEmit: the chain of the header ends with its own date')
  return index.set('', own)
}

function* toPieces(text: string): Generator<Piece, void, undefined> {
  const bytes = Buffer.from(text, 'utf8')
  for (let at = 0; at < bytes.length; at += FRAME_BYTES)
    yield { kind: 'state', frame: bytes.subarray(at, at + FRAME_BYTES) }
}

/** Which artifacts the entries refer to. All that this backup seals are kept: they were paid for. */
class NeededArtifacts {
  readonly #used = new Set<string>()
  readonly #own: Artifact[] = []

  constructor(readonly date: string) {}

  seal({ name, kind, sizeBytes, sha256 }: Sealed): void {
    this.#own.push({ name, kind, sizeBytes, sha256, date: this.date })
  }

  add({ places, signature }: StateEntry): void {
    for (const place of places ?? []) if (place.date !== '') this.#used.add(`${place.in} ${place.date}`)
    if (signature !== undefined && signature.date !== '') this.#used.add(`sigvault ${signature.date}`)
  }

  artifacts(inherited: readonly Artifact[]): readonly Artifact[] {
    return [...inherited.filter(({ kind, date }) => this.#used.has(`${kind} ${date}`)), ...this.#own]
  }
}
