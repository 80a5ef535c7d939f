import { PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import type { Selection } from '../rules.js'
import { filter } from '../stages/filter.js'
import type { Chain, StoredArtifact } from '../stores/chain.js'
import type { Place, Source, StateEntry, StoredName } from '../types.js'
import { ArchiveUse, type Extent, type PlannedArchive } from './archive-use.js'

/** Bytes of the headers of an entry in a tar, with records for its times. */
const ENTRY_BYTES = 1536
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
  const stored = new Map(chain.artifacts.map(artifact => [idOf(artifact.kind, artifact.date), artifact]))
  const used = new Map<string, ArchiveUse>()
  const groups = new Set<number>()
  const breather = createBreather()
  let [entries, files, sizeBytes, tarBytes] = [0, 0, 0, 0]
  const all = chain.entries(date)
  const selected: Source<StateEntry> = selection === undefined ? all : filter<StateEntry>(selection)(all)
  for await (const item of batchesOf(selected)) {
    if (breather.due()) await breather.pause()
    for (const entry of isBatch(item) ? item : [item]) {
      entries++
      tarBytes += ENTRY_BYTES
      if (entry.type !== 'file') continue
      files++
      if (entry.link !== undefined && groups.has(entry.link)) continue
      if (entry.link !== undefined) groups.add(entry.link)
      onFile?.(entry)
      const { sizeBytes: bytes = 0, places = [] } = entry
      sizeBytes += bytes
      tarBytes += bytes
      for (const place of places) {
        const id = idOf(place.in, place.date)
        const use = used.get(id) ?? (await openUse(chain, stored.get(id), place))
        used.set(id, use)
        use.add(extentOf(place, entry))
      }
    }
  }
  const needed = await chain.needs(date)
  const states = needed.filter(({ kind }) => kind === 'state').map(({ name, sizeBytes }) => ({ name, sizeBytes }))
  const archives = [...used.values()].map(use => use.plan())
  archives.sort((a, b) => (a.date + a.kind < b.date + b.kind ? -1 : 1))
  return {
    entries,
    files,
    sizeBytes,
    states,
    archives,
    readBytes: states.reduce((sum, state) => sum + state.sizeBytes, 0) + sumOf(archives, ({ readBytes }) => readBytes),
    requests: states.length + sumOf(archives, ({ requests }) => requests),
    fullBytes: Math.round(tarBytes * compressionOf([...used.values()]))
  }
}

function sumOf(archives: readonly PlannedArchive[], of: (archive: PlannedArchive) => number): number {
  return archives.reduce((sum, archive) => sum + of(archive), 0)
}

function idOf(kind: string, date: string): string {
  return `${kind} ${date}`
}

function openUse(chain: Chain, artifact: StoredArtifact | undefined, { date, in: kind }: Place): Promise<ArchiveUse> {
  if (artifact !== undefined) return ArchiveUse.open(chain.store, artifact, chain.options)
  const message = `The ${kind} of ${date} of ${chain.key} is not in the store`
  throw new BackupError('IBT_BASIS_MISSING', message, { path: `${chain.key}.${kind}.${date}` })
}

function extentOf({ offset, sizeBytes }: Place, { places, sizeBytes: now = 0, sparse }: StateEntry): Extent {
  if (sizeBytes !== undefined) {
    return { offset, sizeBytes: sizeBytes + PART_HEADER_BYTES * Math.floor(sizeBytes / PART_BYTES) }
  }
  return { offset, sizeBytes: now, isGuess: sparse === true || places!.length > 1 }
}

/** Stored bytes of one byte before compression, in whole contents; 1 if there are none. */
function compressionOf(uses: readonly ArchiveUse[]): number {
  let [stored, size] = [0, 0]
  for (const use of uses) {
    if (use.artifact.kind === 'updated') continue
    const { storedBytes, sizeBytes } = use.bytes
    stored += storedBytes
    size += sizeBytes
  }
  return size === 0 ? 1 : stored / size
}
