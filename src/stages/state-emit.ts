import { createHash, type Hash } from 'node:crypto'
import { isKept, isStoredRuns, type Kept, type StoredRun } from '../change/runs.js'
import { Tally } from '../change/tally.js'
import { FRAME_BYTES } from '../constants.js'
import { EntryCheck } from '../format/entry-check.js'
import { encodeStateClosing } from '../format/state-encode.js'
import { checkLine, StateText } from '../format/state-text.js'
import { RunWriter, UsedKind } from '../native.js'
import {
  type Artifact,
  type Chunk,
  type Counted,
  isPacked,
  isSealed,
  type Kind,
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

const USED_KINDS = ['full', 'created', 'updated', 'sigvault'] as const

/** Characters of state text that are gathered before they become bytes: three bytes each at most. */
const TEXT_CHARACTERS = FRAME_BYTES / 4

/**
 * Writes the state: swallows the entries, and knows every sealed artifact before its closing line.
 *
 * Consumes `Packed` and looks at `Sealed`; yields `Piece` of kind `state`, and at the end `Counted`. Other items pass on.
 * Path order is its source's. An entry that is the very object that was read from a state of the chain is not encoded
 * again: its line is copied. Memory: one frame, the paths of the open directories, and one table entry for each artifact
 * of the chain.
 *
 * @throws BackupError as `EntryCheck` does, for entries that could not be read back or restored: the root is missing, the
 * order is wrong, a path comes twice, a directory is missing, a value is impossible; whatever `inherited` throws.
 */
export function stateEmit(
  header: StateHeader,
  options: StateEmitOptions = {}
): Stage<Item, Chunk | Sealed | Piece | Counted> {
  return async function* stateEmitStage(source) {
    const text = new StateText(header)
    const check = new EntryCheck()
    const needed = new NeededArtifacts(header.date)
    const tally = new Tally()
    const hash = createHash('sha256')
    for await (const item of source) {
      if (isKept(item)) {
        check.addSpan(item.first().path, item.last())
        tally.addRun('unchanged', item)
        needed.addUsed(item)
        text.addLines(item.kept)
      } else if (isStoredRuns(item)) {
        tally.addRun('created', item)
        for (const run of item.stored) {
          const { directory, begin, end } = run
          check.addSpan(directory.pathOf(begin), { path: directory.pathOf(end - 1), type: directory.typeOf(end - 1)! })
          text.addBytes(writeLines(run, header))
        }
      } else if (isPacked(item)) {
        tally.add(item)
        if (item.state === undefined) continue
        check.add(item.state)
        needed.add(item.state)
        text.add(item.state)
      } else {
        if (isSealed(item)) needed.seal(item)
        yield item
        continue
      }
      if (text.length >= TEXT_CHARACTERS) yield* toPieces(hashed(text.take(), hash))
    }
    text.end()
    const { totals } = tally
    const artifacts = needed.artifacts(options.inherited?.() ?? [])
    const lines = hashed(text.take(), hash)
    const closing = checkLine(
      encodeStateClosing({ totals, artifacts, linesSha256: hash.digest('hex') }),
      'closing line'
    )
    yield* toPieces(Buffer.concat([lines, Buffer.from(`${closing}\n`)]))
    yield { totals }
  }
}

let writer: RunWriter | undefined

/** What a run stored is of the backup that is being made, the last of the chain. */
function writeLines(run: StoredRun, { chain }: StateHeader): Buffer {
  writer ??= new RunWriter()
  return writer.lines(run, { ...run, date: chain.length - 1 })
}

function hashed(bytes: Buffer, hash: Hash): Buffer {
  hash.update(bytes)
  return bytes
}

function* toPieces(bytes: Buffer): Generator<Piece, void, undefined> {
  for (let at = 0; at < bytes.length; at += FRAME_BYTES)
    yield { kind: 'state', frame: bytes.subarray(at, at + FRAME_BYTES) }
}

/** Which artifacts the entries refer to. All that this backup seals are kept: they were paid for. */
class NeededArtifacts {
  /** Kinds by date. */
  readonly #used = new Map<string, Set<Kind>>()
  readonly #own: Artifact[] = []

  constructor(readonly date: string) {}

  seal({ name, kind, sizeBytes, sha256 }: Sealed): void {
    this.#own.push({ name, kind, sizeBytes, sha256, date: this.date })
  }

  add({ places, signature }: StateEntry): void {
    if (places !== undefined) for (const place of places) this.#use(place.date, place.in)
    if (signature !== undefined) this.#use(signature.date, 'sigvault')
  }

  addUsed({ used, kept }: Kept): void {
    for (const [i, { date }] of kept.chain.entries()) {
      if (used[i] === 0) continue
      for (const kind of USED_KINDS) if (used[i]! & UsedKind[kind]) this.#use(date, kind)
    }
  }

  #use(date: string, kind: Kind): void {
    const kinds = this.#used.get(date)
    if (kinds !== undefined) kinds.add(kind)
    else if (date !== '') this.#used.set(date, new Set([kind]))
  }

  artifacts(inherited: readonly Artifact[]): readonly Artifact[] {
    return [...inherited.filter(({ kind, date }) => this.#used.get(date)?.has(kind)), ...this.#own]
  }
}
