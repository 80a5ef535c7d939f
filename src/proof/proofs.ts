import { createHash } from 'node:crypto'
import { BackupError } from '../errors.js'
import { isDate } from '../format/dates.js'
import { isProofsName } from '../format/names.js'
import type { Artifact, StoredName } from '../types.js'
import { type ProvenUpTo, stretchBytes } from './stretches.js'

const FORMAT = 'incremental-backups-tools proofs'
const VERSION = 1
/** The digest of all that stands before it ends the file. */
const ENDING = /,"sha256":"([0-9a-f]{64})"\}\n$/

/** When a stretch was proven, and in which backup: all contents that this one had there, as they were stored by then. */
interface Proof extends ProvenUpTo {
  readonly date: string
}

/** An artifact as a state names it. */
type Bound = Pick<Artifact, 'name' | 'sizeBytes' | 'sha256'>

interface Known {
  readonly artifact: Bound
  readonly proofs: Map<number, Proof>
}

/** What of a chain was proven, and when. Memory: one object for each stretch. */
export class Proofs {
  readonly #known = new Map<string, Known>()

  constructor(readonly key: string) {}

  /** Adds what others have found: of two proofs of one stretch the later stays. */
  merge({ known }: Proofs): void {
    for (const { artifact, proofs } of known) {
      const own = this.#of(artifact)
      for (const [index, proof] of proofs) {
        if (proof.provenMs > (own.get(index)?.provenMs ?? 0)) own.set(index, proof)
      }
    }
  }

  get known(): Iterable<Known> {
    return this.#known.values()
  }

  /** Whether all artifacts that contents are made of are those that the proofs are of, and are listed with their size. */
  areOf(needed: readonly Artifact[], stored: ReadonlyMap<string, number>): boolean {
    return needed.every(artifact => {
      const known = this.#known.get(artifact.name)?.artifact
      const isThere = stored.get(artifact.name) === artifact.sizeBytes
      return known === undefined || artifact.kind === 'sigvault' || (isThere && isSame(known, artifact))
    })
  }

  /** Notes artifacts that contents are made of: a content is proven only as long as all that it is made of stays. */
  bind(needed: readonly Bound[]): void {
    for (const artifact of needed) this.#of(artifact)
  }

  /** Forgets artifacts that are not in the store any more. */
  forgetMissing(stored: ReadonlyMap<string, number>): void {
    for (const [name, { artifact }] of this.#known) {
      if (stored.get(name) !== artifact.sizeBytes) this.#known.delete(name)
    }
  }

  add(artifact: Bound, index: number, proof: Proof): void {
    this.#of(artifact).set(index, proof)
  }

  /**
   * The proof of a stretch, if it was in one of the given backups: what a backup has in a stretch, only the backups that
   * build on it have no more of. A time in the future proves nothing.
   */
  find({ name }: Artifact, index: number, dates: ReadonlySet<string>, nowMs: number): ProvenUpTo | undefined {
    const proof = this.#known.get(name)?.proofs.get(index)
    return proof !== undefined && proof.provenMs <= nowMs && dates.has(proof.date) ? proof : undefined
  }

  #of(artifact: Bound): Map<number, Proof> {
    const { name, sizeBytes, sha256 } = artifact
    const known = this.#known.get(name)
    if (known !== undefined && isSame(known.artifact, artifact)) return known.proofs
    const proofs = new Map<number, Proof>()
    this.#known.set(name, { artifact: { name, sizeBytes, sha256 }, proofs })
    return proofs
  }
}

function isSame(a: Bound, b: Bound): boolean {
  return a.sizeBytes === b.sizeBytes && a.sha256 === b.sha256
}

/** One document of JSON, with its own SHA-256: that of the text up to it, and a closing brace. */
export function encodeProofs(proofs: Proofs): Buffer {
  const artifacts = Array.from(proofs.known, ({ artifact, proofs }) => ({
    ...artifact,
    stretchBytes: stretchBytes(artifact),
    proven: toSpans(proofs)
  }))
  artifacts.sort((a, b) => (a.name < b.name ? -1 : 1))
  const text = JSON.stringify({ format: FORMAT, version: VERSION, key: proofs.key, artifacts })
  return Buffer.from(`${text.slice(0, -1)},"sha256":"${digest(text)}"}\n`)
}

interface Span {
  readonly from: number
  readonly to: number
  readonly at: string
  readonly date: string
  readonly upTo: string
}

/** Stretches in a row with the same proof, as one. */
function toSpans(proofs: ReadonlyMap<number, Proof>): Span[] {
  const spans: { -readonly [Name in keyof Span]: Span[Name] }[] = []
  for (const [index, { provenMs, date, upTo }] of [...proofs].sort(([a], [b]) => a - b)) {
    const at = new Date(provenMs).toISOString()
    const last = spans.at(-1)
    const isNext = last !== undefined && last.to === index - 1
    if (isNext && last.at === at && last.date === date && last.upTo === upTo) last.to = index
    else spans.push({ from: index, to: index, at, date, upTo })
  }
  return spans
}

/**
 * Reads what `encodeProofs` writes. What an artifact has that makes no sense is left out.
 *
 * @throws BackupError IBT_STATE_INVALID for what is damaged, or of another key; IBT_STATE_VERSION
 */
export function decodeProofs(bytes: Uint8Array, key: string, name: string): Proofs {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const ending = ENDING.exec(text)
  const body = ending === null ? '' : `${text.slice(0, ending.index)}}`
  const invalid = new BackupError('IBT_STATE_INVALID', `${name} is damaged`, { path: name })
  if (ending === null || digest(body) !== ending[1]) throw invalid
  const document = JSON.parse(body) as Readonly<Record<string, unknown>>
  if (document.format !== FORMAT || document.key !== key || !Array.isArray(document.artifacts)) throw invalid
  if (document.version !== VERSION) {
    throw new BackupError('IBT_STATE_VERSION', `${name} is of version ${document.version}`, { path: name })
  }
  const proofs = new Proofs(key)
  let room = STRETCHES_MAX
  for (const artifact of document.artifacts) room = decodeArtifact(artifact, proofs, room)
  return proofs
}

/** Stretches in one file, at most: of more, the rest is proven again. */
const STRETCHES_MAX = 1_000_000

/** Returns how many more stretches there may be. */
function decodeArtifact(value: Readonly<Record<string, unknown>> | null, proofs: Proofs, room: number): number {
  const { name, sizeBytes, sha256, proven } = value ?? {}
  if (typeof name !== 'string' || !isCount(sizeBytes) || typeof sha256 !== 'string' || !Array.isArray(proven)) {
    return room
  }
  const artifact = { name, sizeBytes, sha256 }
  proofs.bind([artifact])
  if (value?.stretchBytes !== stretchBytes(artifact)) return room
  let left = room
  for (const span of proven) {
    const { from, to, at, date, upTo } = (span ?? {}) as Partial<Span>
    const provenMs = Date.parse(String(at))
    if (!isCount(from) || !isCount(to) || !(provenMs > 0) || !isDateText(date) || !isDateText(upTo)) continue
    left -= to - from + 1
    if (left < 0) return 0
    for (let index = from; index <= to; index++) proofs.add(artifact, index, { provenMs, date, upTo })
  }
  return left
}

function isDateText(value: unknown): value is string {
  return typeof value === 'string' && isDate(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Names of what is recorded of a key, among those of a store, oldest first. */
export function proofNames(stored: readonly StoredName[], key: string): string[] {
  return stored
    .map(({ name }) => name)
    .filter(name => isProofsName(name, key))
    .sort()
}
