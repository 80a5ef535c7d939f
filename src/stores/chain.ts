import { openArchive } from '../codec/archive-reader.js'
import { decodeFrames } from '../codec/decode-frames.js'
import { FrameMemory } from '../codec/frame-memory.js'
import { knownCodecs } from '../codec/index.js'
import { TAIL_READ_BYTES } from '../codec/limits.js'
import { readBody } from '../codec/tar-body.js'
import { ARCHIVE_FRAMES_BYTES, SIGNATURE_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { abortable } from '../flow/abortable.js'
import { batchesOf, toBatchSource } from '../flow/batches.js'
import { parseDate } from '../format/dates.js'
import { decodeStateClosing, decodeStateHeader } from '../format/state-decode.js'
import { openState, type StateReader } from '../format/state-reader.js'
import type {
  Archive,
  Artifact,
  BatchSource,
  Codec,
  Kind,
  ListingOptions,
  MergedEntry,
  OpenArchive,
  Reading,
  ReadRange,
  SignaturePlace,
  StateClosing,
  StateEntry,
  StateHeader,
  Store,
  StoredName,
  StoreOptions
} from '../types.js'
import { findArtifacts, type StoredArtifact } from './artifacts.js'
import { hashStored } from './hash-stored.js'
import { type MergedState, orderIn, withMergedPlaces } from './merged-places.js'
import { findRemoved, type RemovedBackup } from './removed.js'
import { findSegments, type StoredSegment } from './segments.js'
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

/** A backup of a chain that has its state: one that is complete. */
export interface StoredBackup {
  readonly date: string
  readonly kind: 'full' | 'incremental'
  /** Of all artifacts of its date. */
  readonly sizeBytes: number
  /** The date in the name of its state: another one if the backup was merged. */
  readonly stateDate: string
}

/** What a restore reads: an artifact of whatever date. The digest of a state is not in the state itself. */
export type NeededArtifact = Omit<Artifact, 'sha256'> & { readonly sha256?: string | undefined }

/**
 * The backups of a key in a store, oldest first: one for each date that can be asked for, whether it was merged or not.
 * Memory: the names of one key.
 */
export class Chain {
  readonly backups: readonly StoredBackup[]
  readonly #stored: ReadonlyMap<string, StoredArtifact>
  /** The state of each date that can be asked for. */
  readonly #states = new Map<string, StoredArtifact>()
  readonly #asOf = new Map<string, string>()
  readonly #archives = new Map<string, Archive | Promise<Archive>>()
  readonly #frames = new FrameMemory(ARCHIVE_FRAMES_BYTES)
  readonly #sought = new Map<string, Promise<SoughtState>>()

  private constructor(
    readonly store: Store,
    readonly key: string,
    readonly artifacts: readonly StoredArtifact[],
    /** Backups that were removed and whose states are still there, under other names. */
    readonly removed: readonly RemovedBackup[],
    /** Segments of merges that are not finished, or whose record has not been deleted yet. */
    readonly segments: readonly StoredSegment[],
    readonly options: StoreOptions
  ) {
    this.#stored = new Map(artifacts.map(artifact => [`${artifact.kind} ${artifact.date}`, artifact]))
    for (const state of artifacts) {
      if (state.kind !== 'state') continue
      const other = this.#states.get(askedFor(state))
      if (other === undefined || isLater(state, other)) this.#states.set(askedFor(state), state)
    }
    const sizes = new Map<string, number>()
    for (const artifact of artifacts) {
      const date = askedFor(artifact)
      sizes.set(date, (sizes.get(date) ?? 0) + artifact.sizeBytes)
      if (artifact.asOf !== undefined) this.#asOf.set(artifact.date, artifact.asOf)
    }
    this.backups = [...this.#states.keys()].sort().map(date => {
      const stateDate = this.#states.get(date)!.date
      return {
        date,
        kind: this.has(stateDate, 'full') ? 'full' : 'incremental',
        sizeBytes: sizes.get(date)!,
        stateDate
      }
    })
  }

  /** Lists the backups of a key. @throws what the store throws */
  static async open(store: Store, key: string, options: ChainOptions = {}): Promise<Chain> {
    const { signal } = options
    const find = knownCodecs(options.codecs)
    const stored = options.stored ?? (await listStored(store, `${key}.`, { signal }))
    const [artifacts, removed] = [findArtifacts(stored, key, find), findRemoved(stored, key)]
    return new Chain(store, key, artifacts, removed, findSegments(stored, key), { signal })
  }

  /** The newest backup that is complete. */
  get newest(): StoredBackup | undefined {
    return this.backups.at(-1)
  }

  /** The newest backup made at or before `atMs`. @throws BackupError IBT_NO_BACKUP */
  at(atMs = Infinity): StoredBackup {
    const found = this.backups.findLast(({ date }) => parseDate(date) <= atMs)
    if (found !== undefined) return found
    const { key, backups } = this
    const oldest = backups[0] === undefined ? 'there are none' : `the oldest is of ${backups[0].date}`
    const wanted =
      atMs === Infinity
        ? `No backup of ${key}`
        : `No backup of ${key} made at or before ${new Date(atMs).toISOString()}`
    throw new BackupError('IBT_NO_BACKUP', `${wanted}: ${oldest}`, { path: key })
  }

  /** The newest date in the name of a state that is there, or was: one that was removed may come back. */
  get newestDate(): string | undefined {
    return newestOf([...this.artifacts.filter(({ kind }) => kind === 'state'), ...this.removed])
  }

  /** The newest date that is taken: by a state, or by a segment of a merge that may go on. */
  get lastDate(): string | undefined {
    return newestOf([...this.artifacts.filter(({ kind }) => kind === 'state'), ...this.removed, ...this.segments])
  }

  /** What an interrupted run left: artifacts younger than the newest state. Finished segments of a merge are none. */
  get leftovers(): readonly StoredArtifact[] {
    const newest = this.newestDate ?? ''
    const segments = new Set(this.segments.map(({ date }) => date))
    return this.artifacts.filter(({ date }) => date > newest && !segments.has(date))
  }

  /** What earlier merges have left over: states that another one stands for by now. No date needs them. */
  get superseded(): readonly StoredArtifact[] {
    return this.artifacts.filter(state => state.kind === 'state' && this.#states.get(askedFor(state)) !== state)
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
    const artifact = this.#stateOf(date)
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
    const state = this.#stateOf(date)
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

  /** The date that a date in the name of an artifact stands for: by it, places are ordered. */
  asOf(date: string): string {
    return this.#asOf.get(date) ?? date
  }

  /** What reads the state of a date: it can write for the same readers. @throws BackupError IBT_BASIS_MISSING, IBT_CODEC_UNKNOWN */
  codec(date: string): Codec {
    return this.#stateOf(date).codec()
  }

  /** The newest merged state that stands for a backup which a state builds on as it was before. */
  #mergedFor({ chain, date: own, standsFor }: StateHeader): MergedState | undefined {
    let newest: MergedState | undefined
    const until = standsFor?.date ?? own
    const dates = new Set(chain.map(({ date }) => date))
    for (const { date, asOf = date } of chain) {
      // What is damaged might build on itself.
      const state = date === own || asOf >= until ? undefined : this.#states.get(asOf)
      if (state?.asOf === undefined || dates.has(state.date)) continue
      if (newest === undefined || asOf > newest.asOf) newest = { stateDate: state.date, asOf }
    }
    return newest
  }

  /** The state of a date that is asked for, or of the date in its own name. */
  #stateOf(date: string): StoredArtifact {
    return this.#states.get(date) ?? this.#find(date, 'state')
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
  async ends(date: string): Promise<{ readonly header: StateHeader; readonly closing: StateClosing }> {
    const state = this.#stateOf(date)
    const { archive } = (await this.#sought.get(state.name)) ?? { archive: await this.openArchive(state.date, 'state') }
    const first = await lineOf(
      archive,
      length => ({ at: 0, length }),
      text => text.slice(0, text.indexOf('\n') + 1)
    )
    const last = await lineOf(
      archive,
      length => ({ at: Math.max(0, archive.sizeBytes - length), length }),
      text => text.slice(text.lastIndexOf('\n', text.length - 2) + 1 || text.length)
    )
    const header = decodeStateHeader(first)
    this.#checkOwn(state, header)
    return { header, closing: decodeStateClosing(last) }
  }

  /** A state is believed only under its own name: two that were exchanged would restore the wrong files. */
  #checkOwn({ name, date, asOf }: StoredArtifact, header: StateHeader): void {
    if (header.key === this.key && header.date === date && header.standsFor?.date === asOf) return
    const message = `${name} is the state of ${header.key} of ${header.date}: it was renamed or replaced`
    throw new BackupError('IBT_STATE_INVALID', message, { path: name })
  }

  /** SHA-256 of an artifact as it is stored, in hex. */
  async digest(date: string, kind: Kind): Promise<string> {
    return (await hashStored(this.store, this.#find(date, kind).name, this.options)).sha256
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

  /** Whether the store has an artifact. */
  has(date: string, kind: Kind): boolean {
    return this.#stored.has(`${kind} ${date}`)
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
    const { name, sizeBytes, codec } = this.#find(date, kind)
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

  #find(date: string, kind: Kind): StoredArtifact {
    const found = this.#stored.get(`${kind} ${date}`)
    if (found !== undefined) return found
    const message = `The ${kind} of ${date} of ${this.key} is not in the store`
    throw new BackupError('IBT_BASIS_MISSING', message, { path: `${this.key}.${kind}.${date}` })
  }
}

function newestOf(dated: readonly { readonly date: string }[]): string | undefined {
  return dated.reduce<string | undefined>(
    (newest, { date }) => (newest === undefined || date > newest ? date : newest),
    undefined
  )
}

/** Entries of a state that is opened when the first is pulled. */
export function entriesWhenPulled(open: () => Promise<StateReader>): BatchSource<StateEntry> {
  return toBatchSource(async function* () {
    yield* batchesOf((await open()).entries())
  })
}

/** The date that users ask for. */
export function askedFor({ date, asOf = date }: Pick<StoredArtifact, 'date' | 'asOf'>): string {
  return asOf
}

/** Of two states of one date that can be asked for, the one that was merged last counts. */
function isLater(a: StoredArtifact, b: StoredArtifact): boolean {
  if (a.asOf === undefined || b.asOf === undefined) return a.asOf !== undefined
  return a.date > b.date
}

/** The names of a store that begin with a prefix. Memory: all of them. @throws what the store throws */
export async function listStored(store: Store, prefix?: string, options: ListingOptions = {}): Promise<StoredName[]> {
  const stored: StoredName[] = []
  for await (const found of abortable(store.list(prefix, options), options.signal)) stored.push(found)
  return stored
}

/** A line at one end of an archive, of whatever length: looks at more and more bytes until it is whole. */
async function lineOf(
  archive: Archive,
  range: (length: number) => { readonly at: number; readonly length: number },
  pick: (text: string) => string
): Promise<string> {
  for (let length = 65_536; ; length *= 4) {
    const { at, length: wanted } = range(length)
    const bytes = await archive.read(at, Math.min(wanted, archive.sizeBytes - at))
    const line = pick(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
    if (line !== '') return line.trimEnd()
    if (length >= archive.sizeBytes) {
      throw new BackupError('IBT_STATE_INVALID', `${archive.name} is not a state: it has no lines`, {
        path: archive.name
      })
    }
  }
}
