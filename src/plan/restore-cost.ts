import { PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import type { Selection } from '../rules.js'
import { filter } from '../stages/filter.js'
import type { Chain, StoredArtifact } from '../stores/chain.js'
import type { Place, Source, StateEntry, StoredName } from '../types.js'
import { ArchiveUse, coldArchive, type Extent, HEADER_BYTES, type PlannedArchive } from './archive-use.js'

/** Bytes of the header of a part of a delta. */
const PART_HEADER_BYTES = 2048

/** What a restore reads. */
export interface RestoreCost {
  readonly entries: number
  readonly files: number
  /** Bytes of the contents. */
  readonly sizeBytes: number
  /** That of the date, and the merged states that it builds on: they are read whole. */
  readonly states: readonly StoredName[]
  /** That are opened, in the order of dates. */
  readonly archives: readonly PlannedArchive[]
  /** Of the states and the archives, as stored. */
  readonly readBytes: number
  readonly requests: number
  /** About what a fresh full of the same entries would have to be read for: what they have, compressed as they are now. */
  readonly fullBytes: number
}

export interface RestoreCostOptions {
  /** Default: everything. */
  readonly selection?: Selection | undefined
  /** Is shown every file, of a hard-link group the first. */
  readonly onFile?: ((entry: StateEntry) => void) | undefined
}

/**
 * What a restore of a date reads, from its state and the seek tables of the archives that it needs. No content is read.
 * Of a content with deltas on it, the state does not say how large it was: its present size stands in, up to the next
 * body that is needed. Memory: the seek tables, a byte for each frame, and an entry for each hard-link group.
 *
 * @throws BackupError IBT_BASIS_MISSING for an archive that is gone, and what reading a state throws.
 */
export async function restoreCost(chain: Chain, date: string, options: RestoreCostOptions = {}): Promise<RestoreCost> {
  const { selection, onFile } = options
  const reads = new Reads(chain)
  const breather = createBreather()
  const all = chain.entries(date)
  const selected: Source<StateEntry> = selection === undefined ? all : filter<StateEntry>(selection)(all)
  for await (const item of batchesOf(selected)) {
    chain.options.signal?.throwIfAborted()
    if (breather.due()) await breather.pause()
    for (const entry of isBatch(item) ? item : [item]) {
      if (!reads.isNewContent(entry)) continue
      onFile?.(entry)
      await reads.add(entry)
    }
  }
  const needed = await chain.needs(date)
  const states = needed.filter(({ kind }) => kind === 'state').map(({ name, sizeBytes }) => ({ name, sizeBytes }))
  return reads.cost(states)
}

/** What the entries of a state need. */
class Reads {
  readonly #stored: ReadonlyMap<string, StoredArtifact>
  readonly #used = new Map<string, ArchiveUse>()
  readonly #cold = new Map<string, StoredArtifact>()
  readonly #groups = new Set<number>()
  #entries = 0
  #files = 0
  #sizeBytes = 0
  /** Of a tar of all entries, but for sparse contents. */
  #tarBytes = 0

  constructor(readonly chain: Chain) {
    this.#stored = new Map(chain.artifacts.map(artifact => [idOf(artifact.kind, artifact.date), artifact]))
  }

  /** Counts an entry: true if it is a file whose content no other link has been counted with. */
  isNewContent({ type, link }: StateEntry): boolean {
    this.#entries++
    this.#tarBytes += HEADER_BYTES
    if (type !== 'file') return false
    this.#files++
    if (link === undefined) return true
    const isFirst = !this.#groups.has(link)
    this.#groups.add(link)
    return isFirst
  }

  /** Takes a file. */
  async add(entry: StateEntry): Promise<void> {
    const { sizeBytes = 0, sparse, places = [] } = entry
    this.#sizeBytes += sizeBytes
    if (!sparse) this.#tarBytes += sizeBytes
    for (const place of places) {
      const id = idOf(place.in, place.date)
      if (this.#cold.has(id)) continue
      const use = this.#used.get(id) ?? (await this.#open(place))
      use?.add(extentOf(place, entry))
    }
  }

  /** Undefined for an archive that cannot be read before it is thawed. */
  async #open({ date, in: kind }: Place): Promise<ArchiveUse | undefined> {
    const { store, key, options } = this.chain
    const artifact = this.#stored.get(idOf(kind, date))
    if (artifact === undefined) {
      const message = `The ${kind} of ${date} of ${key} is not in the store`
      throw new BackupError('IBT_BASIS_MISSING', message, { path: `${key}.${kind}.${date}` })
    }
    if (artifact.cold !== undefined) {
      this.#cold.set(idOf(kind, date), artifact)
      return undefined
    }
    const use = await ArchiveUse.open(store, artifact, options)
    this.#used.set(idOf(kind, date), use)
    return use
  }

  cost(states: readonly StoredName[]): RestoreCost {
    const uses = [...this.#used.values()]
    for (const use of uses) use.end()
    const archives = [...uses.map(use => use.plan()), ...[...this.#cold.values()].map(coldArchive)]
    archives.sort((a, b) => (a.date + a.kind < b.date + b.kind ? -1 : 1))
    const tarBytes = this.#tarBytes + sum(uses, use => use.sparseBytes)
    return {
      entries: this.#entries,
      files: this.#files,
      sizeBytes: this.#sizeBytes,
      states,
      archives,
      readBytes: sum(states, state => state.sizeBytes) + sum(archives, archive => archive.readBytes),
      requests: states.length + sum(archives, archive => archive.requests),
      fullBytes: Math.round(tarBytes * compressionOf(uses))
    }
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}

function idOf(kind: string, date: string): string {
  return `${kind} ${date}`
}

function extentOf({ offset, sizeBytes }: Place, { places, sizeBytes: now = 0, sparse }: StateEntry): Extent {
  if (sizeBytes !== undefined) {
    return { offset, sizeBytes: sizeBytes + PART_HEADER_BYTES * Math.floor(sizeBytes / PART_BYTES) }
  }
  return { offset, sizeBytes: now, guess: sparse ? 'sparse' : places!.length > 1 ? 'older' : undefined }
}

/** Stored bytes of one byte before compression, in whole contents; 1 if there are none. */
function compressionOf(uses: readonly ArchiveUse[]): number {
  const whole = uses.filter(use => use.artifact.kind !== 'updated').map(use => use.bytes)
  const sizeBytes = sum(whole, bytes => bytes.sizeBytes)
  return sizeBytes === 0 ? 1 : sum(whole, bytes => bytes.storedBytes) / sizeBytes
}
