import { createHash, type Hash } from 'node:crypto'
import { isStoredSpans, isUnchangedLines, type StoredSpans, type UnchangedLines } from '../archive/store-spans.js'
import { Tally } from '../change/tally.js'
import { FRAME_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { batchStage, isBatch } from '../flow/batches.js'
import { checkArtifact, invalidArtifact } from '../format/artifact-check.js'
import { EntryCheck } from '../format/entry-check.js'
import { encodeStateClosing, SIGNATURE_DIGEST } from '../format/state-encode.js'
import { checkLine, StateText } from '../format/state-text.js'
import { LineMatcher, SpanWriter, UsedKind } from '../native.js'
import { printPath } from '../path.js'
import {
  type Artifact,
  type ChainLink,
  type Chunk,
  type Counted,
  type Entry,
  isEntry,
  isPacked,
  isSealed,
  type Kind,
  type Packed,
  type Piece,
  type Sealed,
  type Stage,
  type StateEntry,
  type StateHeader,
  type Totals
} from '../types.js'

/** Options of `stateEmit`. */
export interface StateEmitOptions {
  /** The artifacts that the parent's state needs. Asked for at the end, when the parent's state has been read. */
  readonly inherited?: (() => readonly Artifact[]) | undefined
  /** What the closing line says instead of what was counted. Default: that. */
  readonly totals?: ((counted: Totals) => Totals) | undefined
  /** The entry before the first, of a part of a state. Default: the first is the root. */
  readonly behind?: Pick<StateEntry, 'path' | 'type'> | undefined
}

type Item = Packed | Chunk | Sealed | Counted

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
 * order is wrong, a path comes twice, a directory is missing, a value is impossible; IBT_STATE_INVALID for an entry that
 * `pack` has not seen, or that has another path or type than `pack` gave it; whatever `inherited` throws.
 */
export function stateEmit(
  header: StateHeader,
  options: StateEmitOptions = {}
): Stage<Item, Chunk | Sealed | Piece | Counted> {
  return batchStage<Item, Chunk | Sealed | Piece | Counted>(async function* stateEmitStage(source) {
    const lines = new StateLines(header, options.behind)
    for await (const item of source) {
      if (isStoredSpans(item) || isUnchangedLines(item)) lines.add(item)
      else {
        for (const single of isBatch(item) ? item : [item]) {
          if (isPacked(single)) lines.add(asPacked(single))
          else if (isEntry(single)) throw changedLate(single, 'comes behind pack: its bytes are in no archive')
          else {
            if (isSealed(single)) lines.needed.seal(single)
            yield single
          }
        }
      }
      yield* lines.pieces()
    }
    const { inherited, totals = (counted: Totals) => counted } = options
    const said = totals(lines.tally.totals)
    yield* lines.end(inherited?.() ?? [], said)
    yield { item: 'counted', totals: said }
  })
}

/** An entry whose header stands in an archive cannot become another. */
function asPacked(item: Packed): Packed {
  const { state, path, type } = item
  if (state === undefined || (path === state.path && type === state.type)) return item
  throw changedLate(item, `was packed as ${printPath(state.path)}, ${state.type}: change it before pack`)
}

function changedLate({ path }: Entry, what: string): BackupError {
  return new BackupError('IBT_STATE_INVALID', `${printPath(path)} ${what}`, { path })
}

/** Gathers what the state says of the entries, until it is enough for a piece. */
class StateLines {
  readonly tally = new Tally()
  readonly needed: NeededArtifacts
  readonly #text: StateText
  readonly #check: EntryCheck
  readonly #hash = createHash('sha256')
  #writer: SpanWriter | undefined
  #used: LineMatcher | undefined

  constructor(
    readonly header: StateHeader,
    behind: StateEmitOptions['behind']
  ) {
    this.#check = new EntryCheck(behind)
    this.#text = new StateText(header)
    this.needed = new NeededArtifacts(header)
  }

  add(item: Packed | StoredSpans | UnchangedLines): void {
    if (isUnchangedLines(item)) {
      const { lines, used } = item.span
      this.#check.addSpan(item.span.first().path, item.span.last())
      this.tally.addSpan({ unchanged: item.length }, item)
      this.needed.addUsed(used, lines.chain)
      this.#text.addLines(lines)
    } else if (isStoredSpans(item)) this.#addStored(item)
    else {
      this.tally.add(item)
      if (item.state === undefined) return
      this.#check.add(item.state)
      this.#checkDigest(item.state)
      this.needed.add(item.state)
      this.#text.add(item.state)
    }
  }

  /** Readers that do not know such a digest are told by the header. */
  #checkDigest({ path, sha256, signatureDigest }: StateEntry): void {
    if (signatureDigest === undefined || sha256 !== undefined) return
    if (this.header.requires?.includes(SIGNATURE_DIGEST)) return
    const message = `${printPath(path)} is known by the digest of its signature alone: the header requires ${SIGNATURE_DIGEST}`
    throw new BackupError('IBT_STATE_INVALID', message, { path })
  }

  #addStored(spans: StoredSpans): void {
    const { chain } = this.header
    this.#writer ??= new SpanWriter()
    this.#used ??= new LineMatcher(chain.length)
    for (const { directory, begin, end } of spans.listed()) {
      this.#check.addSpan(directory.pathOf(begin), directory.placed(end - 1))
    }
    this.tally.addSpan(spans.changes, spans)
    // What is stored now is of the last backup of the chain.
    for (const lines of spans.lines(this.#writer, chain.length - 1, this.#used)) this.#text.addBytes(lines)
  }

  *pieces(): Generator<Piece, void, undefined> {
    if (this.#text.length >= TEXT_CHARACTERS) yield* toPieces(hashed(this.#text.take(), this.#hash))
  }

  *end(inherited: readonly Artifact[], totals: Totals): Generator<Piece, void, undefined> {
    this.#text.end()
    if (this.#used !== undefined) this.needed.addUsed(this.#used.takeUsed(), this.header.chain)
    const artifacts = this.needed.artifacts(inherited)
    const lines = hashed(this.#text.take(), this.#hash)
    const closing = checkLine(
      encodeStateClosing({ totals, artifacts, linesSha256: this.#hash.digest('hex') }),
      'closing line'
    )
    yield* toPieces(Buffer.concat([lines, Buffer.from(`${closing}\n`)]))
  }
}

function hashed(bytes: Buffer, hash: Hash): Buffer {
  hash.update(bytes)
  return bytes
}

function* toPieces(bytes: Buffer): Generator<Piece, void, undefined> {
  for (let at = 0; at < bytes.length; at += FRAME_BYTES)
    yield { item: 'piece', kind: 'state', frame: bytes.subarray(at, at + FRAME_BYTES) }
}

/** Which artifacts the entries refer to. All that this backup seals are kept: they were paid for. */
class NeededArtifacts {
  /** Kinds by date. */
  readonly #used = new Map<string, Set<Kind>>()
  readonly #own: Artifact[] = []

  constructor(readonly header: StateHeader) {}

  seal({ name, kind, sizeBytes, sha256 }: Sealed): void {
    const { key, date } = this.header
    const artifact = { name, kind, sizeBytes, sha256, date }
    checkArtifact(artifact, key)
    if (this.#own.some(own => own.kind === kind)) throw invalidArtifact(name, `is one of two of kind ${kind}`)
    this.#own.push(artifact)
  }

  add({ places, signature }: StateEntry): void {
    if (places !== undefined) for (const place of places) this.#use(place.date, place.in)
    if (signature !== undefined) this.#use(signature.date, 'sigvault')
  }

  addUsed(used: Uint8Array, chain: readonly ChainLink[]): void {
    for (const [i, { date }] of chain.entries()) {
      if (used[i] === 0) continue
      for (const kind of USED_KINDS) if (used[i]! & UsedKind[kind]) this.#use(date, kind)
    }
  }

  /** The backup that is being made has no date in its places. */
  #use(placed: string, kind: Kind): void {
    const date = placed === '' ? this.header.date : placed
    const kinds = this.#used.get(date)
    if (kinds !== undefined) kinds.add(kind)
    else this.#used.set(date, new Set([kind]))
  }

  artifacts(inherited: readonly Artifact[]): readonly Artifact[] {
    // Without a seal at all, nobody stores what is made.
    for (const kind of this.#own.length === 0 ? [] : (this.#used.get(this.header.date) ?? [])) {
      if (!this.#own.some(own => own.kind === kind)) {
        throw new BackupError('IBT_STATE_INVALID', `Entries need an artifact of kind ${kind}, and none was sealed`)
      }
    }
    return [...inherited.filter(({ kind, date }) => this.#used.get(date)?.has(kind)), ...this.#own]
  }
}
