import { decodeFrames } from '../codec/decode-frames.js'
import { knownCodecs, unknownCodec } from '../codec/index.js'
import { BackupError, type ErrorCode, isBackupError } from '../errors.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import type { Placed } from '../format/entry-check.js'
import { openState, type StateReader } from '../format/state-reader.js'
import type { Chain } from '../stores/chain.js'
import type { StoredSegment } from '../stores/segments.js'
import type { Artifact, ChainLink, MergedEntry, Packed, Reading, StateHeader } from '../types.js'
import type { MergePlan } from './plan-merge.js'

/** What a record is refused for: the merge begins anew then. Whatever else a store throws ends the run. */
const REFUSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(['IBT_STATE_INVALID', 'IBT_STATE_VERSION', 'IBT_HASH_MISMATCH', 'IBT_OUT_OF_ORDER', 'IBT_UNSAFE_PATH'] as const),
  ...(['IBT_ARCHIVE_CORRUPT', 'IBT_ARCHIVE_TRUNCATED', 'IBT_BAD_MAGIC', 'IBT_INPUT_ENDED'] as const),
  ...(['IBT_CODEC_UNKNOWN', 'IBT_KEY_MISSING', 'IBT_KEY_WRONG', 'IBT_NAME_INVALID'] as const),
  ...(['IBT_BASIS_MISSING', 'IBT_NOT_FOUND', 'IBT_NOT_SIGNED'] as const)
])

/** Which merge segments are of, and how they are read. */
export interface SegmentsOf {
  readonly chain: Chain
  readonly plan: MergePlan
  /** SHA-256 of the state that is merged. */
  readonly sha256: string
  readonly codecs: readonly Reading[]
}

/**
 * The segments of a merge that are stored: what their records say.
 * Memory: one entry for each hard-link group, and the artifacts.
 */
export class FinishedSegments {
  readonly dates: string[] = []
  readonly artifacts: Artifact[] = []
  /** Their last entry. */
  last: Placed | undefined
  /** Of each hard-link group whose content they have, the first member. */
  readonly links = new Map<number, MergedEntry>()
  readonly #records: Pick<StoredSegment, 'name' | 'suffixes'>[] = []

  constructor(readonly of: SegmentsOf) {}

  /**
   * Takes the segment that was stored last, and reads its record from the first to the last line.
   *
   * @throws BackupError IBT_STATE_INVALID if it is of another merge; what reading it throws
   */
  async add(record: Pick<StoredSegment, 'name' | 'suffixes' | 'date'>): Promise<void> {
    const { date } = record
    const state = await this.#open(record)
    try {
      this.#check(record.name, [...this.dates, date], state.header)
      for await (const item of batchesOf<MergedEntry>(state.entries())) {
        for (const entry of isBatch(item) ? item : [item]) this.#pass(entry, date)
      }
      this.artifacts.push(...state.closing().artifacts.filter(artifact => artifact.date === date))
    } finally {
      await state.close()
    }
    this.dates.push(date)
    this.#records.push(record)
  }

  /** The dates of the segments up to one, by its record. @throws what reading it throws */
  async datesUpTo(record: StoredSegment): Promise<readonly string[]> {
    const state = await this.#open(record)
    await state.close()
    return state.header.chain.slice(this.of.plan.links.length).map(({ date }) => date)
  }

  /** What the state says of all their entries, once more. */
  async *entries(): AsyncGenerator<Packed, void, undefined> {
    for (const record of this.#records) {
      const state = await this.#open(record)
      try {
        for await (const item of batchesOf<MergedEntry>(state.entries())) {
          for (const entry of isBatch(item) ? item : [item]) {
            yield { ...entry, item: 'packed', change: 'unchanged', state: entry, storedBytes: 0 }
          }
        }
      } finally {
        await state.close()
      }
    }
  }

  #open({ name, suffixes }: Pick<StoredSegment, 'name' | 'suffixes'>): Promise<StateReader> {
    const { chain, codecs } = this.of
    const codec = knownCodecs(codecs)(suffixes)
    if (codec === undefined) throw unknownCodec(name)
    return openState(decodeFrames(chain.store.get(name, undefined, chain.options), codec, name))
  }

  #check(name: string, dates: readonly string[], { key, chain, standsFor }: StateHeader): void {
    const { chain: own, plan, sha256 } = this.of
    const links: readonly ChainLink[] = [...plan.links, ...dates.map(date => ({ date, asOf: plan.date }))]
    const isSame =
      key === own.key &&
      standsFor?.date === plan.date &&
      standsFor.sha256 === sha256 &&
      standsFor.after === plan.after &&
      chain.length === links.length &&
      links.every(
        (link, i) =>
          link.date === chain[i]!.date && link.asOf === chain[i]!.asOf && link.stateSha256 === chain[i]!.stateSha256
      )
    if (isSame) return
    throw new BackupError('IBT_STATE_INVALID', `${name} is of another merge`, { path: name })
  }

  #pass(entry: MergedEntry, date: string): void {
    const { path, type, link, places } = entry
    this.last = { path, type }
    if (link !== undefined && !this.links.has(link) && places?.at(-1)?.date === date) this.links.set(link, entry)
  }
}

/** Options of `findFinished`. */
export interface FindOptions {
  /** Whether the archives are read, to prove them. Default: true. */
  readonly reads?: boolean | undefined
}

/**
 * Finds the segments with which a merge goes on: those of the same state, with the same suffixes, whose artifacts the store
 * has with the same bytes. They are read once, because what they were made of may be deleted as soon as the merge is
 * stored. Resolves to why it begins anew if they will not do.
 *
 * @throws what the store throws
 */
export async function findFinished(
  of: SegmentsOf,
  records: readonly StoredSegment[],
  suffix: string,
  { reads = true }: FindOptions = {}
): Promise<FinishedSegments | string> {
  const finished = new FinishedSegments(of)
  const sizes = new Map(of.chain.artifacts.map(({ name, sizeBytes }) => [name, sizeBytes]))
  try {
    // The last one knows which come before it: there may be others, which could not be deleted.
    const dates = await finished.datesUpTo(records.at(-1)!)
    for (const date of dates) {
      const record = records.find(record => record.date === date)
      if (record === undefined) return `the record of the segment of ${date} is not in the store`
      if (record.suffixes.map(one => `.${one}`).join('') !== suffix) return `${record.name} does not end in ${suffix}`
      await finished.add(record)
    }
  } catch (error) {
    if (!isBackupError(error) || !REFUSED.has(error.code)) throw error
    return error.message
  }
  // Sigvaults may be gone, as those of every backup: what they have signed is stored whole.
  const isLost = ({ name, kind, sizeBytes }: Artifact) =>
    sizes.get(name) !== sizeBytes && (kind !== 'sigvault' || sizes.has(name))
  const lost = finished.artifacts.find(isLost)
  if (lost !== undefined) return `the store does not have ${lost.name} with ${lost.sizeBytes} bytes`
  if (!reads) return finished
  for (const { name, date, kind, sha256 } of finished.artifacts) {
    if (sizes.has(name) && (await of.chain.digest(date, kind)) !== sha256) return `${name} is not what was stored`
  }
  return finished
}
