import { openArchive } from '../codec/archive-reader.js'
import { decodeFrames } from '../codec/decode-frames.js'
import { FrameMemory } from '../codec/frame-memory.js'
import { knownCodecs } from '../codec/index.js'
import { TAIL_READ_BYTES } from '../codec/limits.js'
import { readBody } from '../codec/tar-body.js'
import { ARCHIVE_FRAMES_BYTES, SIGNATURE_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { batchesOf, toBatchSource } from '../flow/batches.js'
import { openState, type StateReader } from '../format/state-reader.js'
import type {
  Archive,
  Artifact,
  BatchSource,
  Codec,
  Kind,
  MergedEntry,
  OpenArchive,
  Reading,
  ReadRange,
  SignaturePlace,
  StateEntry,
  StateHeader,
  Store,
  StoredName,
  StoreOptions
} from '../types.js'
import { findArtifacts, type StoredArtifact } from './artifacts.js'
import { BackupNames, listStored, type NamesOfKey } from './backup-names.js'
import { hashStored } from './hash-stored.js'
import { type MergedState, orderIn, withMergedPlaces } from './merged-places.js'
import { findRemoved } from './removed.js'
import { findSegments } from './segments.js'
import { readEnds, type StateEnds } from './state-ends.js'
import { openSought, type SeekOptions, type SoughtState } from './state-seek.js'

export type { StoredArtifact } from './artifacts.js'

/** States that are searched and stay open, at most: each has up to a few MB in memory. */
const SOUGHT_STATES = 4

/** Options of `Chain.open`. */
export interface ChainOptions extends StoreOptions {
  /** Ciphers, and codecs of your own, that artifacts may have been written with. The codecs of this package are known. */
  readonly codecs?: readonly Reading[] | undefined
  /** What the store lists, of this key at least, where it has been listed already. */
  readonly stored?: readonly StoredName[] | undefined
}

/** What a restore reads: an artifact of whatever date. The digest of a state is not in the state itself. */
export type NeededArtifact = Omit<Artifact, 'sha256'> & { readonly sha256?: string | undefined }

/**
 * The backups of a key in a store, oldest first: one for each date that can be asked for, whether it was merged or not.
 * Memory: the names of one key.
 */
export class Chain extends BackupNames {
  readonly #archives = new Map<string, Archive | Promise<Archive>>()
  readonly #frames = new FrameMemory(ARCHIVE_FRAMES_BYTES)
  readonly #sought = new Map<string, Promise<SoughtState>>()

  private constructor(
    readonly store: Store,
    names: NamesOfKey,
    readonly options: StoreOptions
  ) {
    super(names)
  }

  /** Lists the backups of a key. @throws what the store throws */
  static async open(store: Store, key: string, options: ChainOptions = {}): Promise<Chain> {
    const { signal } = options
    const find = knownCodecs(options.codecs)
    const stored = options.stored ?? (await listStored(store, `${key}.`, { signal }))
    const [artifacts, removed] = [findArtifacts(stored, key, find), findRemoved(stored, key)]
    return new Chain(store, { key, artifacts, removed, segments: findSegments(stored, key) }, { signal })
  }

  /**
   * Reads the state of a date, with the places that its contents have by now; with `seek` from a path on, by a binary
   * search.
   *
   * @throws BackupError IBT_BASIS_MISSING, IBT_CODEC_UNKNOWN, IBT_STATE_INVALID, IBT_STATE_VERSION
   */
  async state(date: string, seek?: SeekOptions): Promise<StateReader> {
    return withMergedPlaces(await this.written(date, seek), {
      begun: stateDate => this.written(stateDate, seek),
      written: stateDate => this.written(stateDate),
      mergedFor: header => this.#mergedFor(header),
      openState: async stateDate => this.openArchive(stateDate, 'state')
    })
  }

  /** Reads the state of a date as it was written: its places may be in archives that merged ones stand for. */
  async written(date: string, seek?: SeekOptions): Promise<StateReader> {
    const artifact = this.stateOf(date)
    const { name, codec } = artifact
    const state =
      seek === undefined
        ? await openState(decodeFrames(this.store.get(name, undefined, this.options), codec(), name))
        : await (await this.#seek(artifact, seek)).from(seek.from)
    try {
      this.#checkOwn(artifact, state.header)
    } catch (error) {
      await state.close()
      throw error
    }
    return state
  }

  /**
   * The artifacts that a restore of a date reads, states included, from the first and last lines of states alone: what was
   * merged stands in the place of what it replaces.
   */
  async needs(date: string): Promise<readonly NeededArtifact[]> {
    const state = this.stateOf(date)
    const { header, closing } = await this.ends(date)
    const own = { name: state.name, kind: 'state', date: state.date, sizeBytes: state.sizeBytes } as const
    const merged = this.#mergedFor(header)
    if (merged === undefined) return [own, ...closing.artifacts]
    const orderOf = orderIn(header.chain)
    const isReplaced = ({ date, kind }: Artifact) => kind !== 'sigvault' && orderOf(date) <= merged.asOf
    const others = closing.artifacts.filter(artifact => !isReplaced(artifact))
    if (others.length === closing.artifacts.length) return [own, ...others]
    const base = (await this.needs(merged.asOf)).filter(({ kind }) => kind !== 'sigvault')
    return [own, ...base, ...others]
  }

  /** What reads the state of a date: it can write for the same readers. @throws BackupError IBT_BASIS_MISSING, IBT_CODEC_UNKNOWN */
  codec(date: string): Codec {
    return this.stateOf(date).codec()
  }

  /** The newest merged state that stands for a backup which a state builds on as it was before. */
  #mergedFor({ chain, date: own, standsFor }: StateHeader): MergedState | undefined {
    let newest: MergedState | undefined
    const until = standsFor?.date ?? own
    const dates = new Set(chain.map(({ date }) => date))
    for (const { date, asOf = date } of chain) {
      // What is damaged might build on itself.
      const state = date === own || asOf >= until ? undefined : this.stateAsked(asOf)
      if (state?.asOf === undefined || dates.has(state.date)) continue
      if (newest === undefined || asOf > newest.asOf) newest = { stateDate: state.date, asOf }
    }
    return newest
  }

  /** The entries of a date in path order. Nothing is opened before the first pull. @throws what `state` throws */
  entries(date: string, seek?: SeekOptions): BatchSource<StateEntry> {
    return entriesWhenPulled(() => this.state(date, seek))
  }

  /** As `entries`, with the places that they were written with. */
  writtenEntries(date: string): BatchSource<MergedEntry> {
    return entriesWhenPulled(() => this.written(date))
  }

  /** First and last line of the state of a date, without what is between. */
  async ends(date: string): Promise<StateEnds> {
    const state = this.stateOf(date)
    const { archive } = (await this.#sought.get(state.name)) ?? { archive: await this.openArchive(state.date, 'state') }
    const { header, closing } = await readEnds(archive)
    this.#checkOwn(state, header)
    return { header, closing }
  }

  /** A state is believed only under its own name: two that were exchanged would restore the wrong files. */
  #checkOwn({ name, date, asOf }: StoredArtifact, header: StateHeader): void {
    if (header.key === this.key && header.date === date && header.standsFor?.date === asOf) return
    const message = `${name} is the state of ${header.key} of ${header.date}: it was renamed or replaced`
    throw new BackupError('IBT_STATE_INVALID', message, { path: name })
  }

  /** SHA-256 of an artifact as it is stored, in hex. */
  async digest(date: string, kind: Kind): Promise<string> {
    return (await hashStored(this.store, this.find(date, kind).name, this.options)).sha256
  }

  /** Opens each archive once. Memory: 8.25 bytes for each of its frames, and `ARCHIVE_FRAMES_BYTES` for all archives. */
  readonly openArchive: OpenArchive = (date, kind) => {
    const id = `${kind} ${date}`
    return this.#archives.get(id) ?? this.#opening(id, date, kind)
  }

  /** A signature; undefined if its sigvault is gone: what it was for is stored whole. */
  readonly signature = async ({ date, offset }: SignaturePlace): Promise<Uint8Array | undefined> => {
    if (!this.has(date, 'sigvault')) return undefined
    return readBody(await this.openArchive(date, 'sigvault'), offset, SIGNATURE_BYTES)
  }

  /** Searches in a state. Those that were searched last stay open. */
  #seek({ name, sizeBytes, codec }: StoredArtifact, { fetchBytes }: SeekOptions): Promise<SoughtState> {
    const opening =
      this.#sought.get(name) ??
      openSought({ name, sizeBytes, codec: codec(), read: this.#rangesOf(name) }, { fetchBytes }).catch(error => {
        this.#sought.delete(name)
        throw error
      })
    // The last one that was used is the last one in the map.
    this.#sought.delete(name)
    this.#sought.set(name, opening)
    for (const other of [...this.#sought.keys()].slice(0, -SOUGHT_STATES)) this.#sought.delete(other)
    return opening
  }

  #opening(id: string, date: string, kind: Kind): Promise<Archive> {
    const opening = this.#open(date, kind)
    this.#archives.set(id, opening)
    opening.then(
      archive => {
        if (this.#archives.get(id) === opening) this.#archives.set(id, archive)
      },
      () => this.#archives.delete(id)
    )
    return opening
  }

  async #open(date: string, kind: Kind): Promise<Archive> {
    const { name, sizeBytes, codec } = this.find(date, kind)
    // Of a state, the last line is wanted, too.
    const endBytes = kind === 'state' ? TAIL_READ_BYTES : undefined
    return openArchive(this.#rangesOf(name), sizeBytes, codec(), name, this.#frames, endBytes)
  }

  #rangesOf(name: string): ReadRange {
    return async (start, end) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of this.store.get(name, { start, end }, this.options)) chunks.push(chunk)
      return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    }
  }
}

/** Entries of a state that is opened when the first is pulled. */
export function entriesWhenPulled(open: () => Promise<StateReader>): BatchSource<StateEntry> {
  return toBatchSource(async function* () {
    yield* batchesOf((await open()).entries())
  })
}
