import type { Artifact, Kind, StateEntry } from '../types.js'

/** Bytes of a stretch of an archive before compression, at least. */
const STRETCH_BYTES = 1024 * 1024
/** An archive of more stored bytes than so many stretches has longer ones: what is recorded of it stays small, and so does what is read beside a stretch. */
const STRETCHES = 256

/**
 * The unit of proof: what a backup has in a stretch of an archive. Its contents are next to each other, so a sample of 5%
 * reads little more than 5%. A content is in the stretch where its last body begins, be that the whole or a delta. A sigvault is a
 * stretch by itself, without a file: its digest proves it.
 */
export interface Stretch {
  readonly artifact: Artifact
  readonly index: number
  /** When it was proven last; 0 if that is not known. */
  readonly provenMs: number
  /** Entries of the state with a content there, and the bytes of the contents. */
  readonly files: number
  readonly sizeBytes: number
}

/** Bytes of each stretch of an artifact: its stored size alone decides, which never changes. */
export function stretchBytes({ sizeBytes }: Pick<Artifact, 'sizeBytes'>): number {
  let bytes = STRETCH_BYTES
  while (bytes * STRETCHES < sizeBytes) bytes *= 2
  return bytes
}

/** When a stretch was proven last, and the newest date that an artifact had by then. */
export interface ProvenUpTo {
  readonly provenMs: number
  readonly upTo: string
}

/** Tells what is known of a stretch. */
export type FindProof = (artifact: Artifact, index: number) => ProvenUpTo | undefined

/** The stretches that the contents of one state are in. Memory: one object each. */
export class Stretches {
  readonly #artifacts = new Map<string, { readonly artifact: Artifact; readonly stretchBytes: number }>()
  readonly #stretches = new Map<
    string,
    { -readonly [Name in keyof Stretch]: Stretch[Name] } & { readonly upTo: string }
  >()

  constructor(
    artifacts: readonly Artifact[],
    readonly findProof: FindProof
  ) {
    for (const artifact of artifacts) {
      this.#artifacts.set(idOf(artifact.date, artifact.kind), { artifact, stretchBytes: stretchBytes(artifact) })
      if (artifact.kind === 'sigvault') this.#at(artifact, 0).sizeBytes = artifact.sizeBytes
    }
  }

  get all(): readonly Stretch[] {
    return [...this.#stretches.values()]
  }

  /**
   * Counts the content of an entry, if it has one. Where a part of it is younger than the proof, as after a merge, the
   * proof was of other bytes.
   */
  add(entry: StateEntry): void {
    const stretch = this.#find(entry)
    if (stretch === undefined) return
    if (entry.places!.some(({ date }) => date > stretch.upTo)) stretch.provenMs = 0
    stretch.files++
    stretch.sizeBytes += entry.sizeBytes ?? 0
  }

  /** Where the content of an entry is; undefined if it has none, or if its archive is gone. */
  of(entry: StateEntry): Stretch | undefined {
    return this.#find(entry)
  }

  #find({ places }: StateEntry) {
    const last = places?.at(-1)
    const found = last && this.#artifacts.get(idOf(last.date, last.in))
    return found && this.#at(found.artifact, Math.floor(last.offset / found.stretchBytes))
  }

  #at(artifact: Artifact, index: number) {
    const id = `${index} ${artifact.name}`
    const found = this.#stretches.get(id)
    if (found !== undefined) return found
    const { provenMs, upTo } = this.findProof(artifact, index) ?? { provenMs: 0, upTo: '' }
    const stretch = { artifact, index, provenMs, upTo, files: 0, sizeBytes: 0 }
    this.#stretches.set(id, stretch)
    return stretch
  }
}

function idOf(date: string, kind: Kind): string {
  return `${kind} ${date}`
}
