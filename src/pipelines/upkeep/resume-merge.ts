import { isBackupError } from '../../errors.js'
import { type FindOptions, FinishedSegments, findFinished, type SegmentsOf } from '../../rewrite/finished-segments.js'
import { listStored } from '../../stores/backup-names.js'
import { Chain } from '../../stores/chain.js'
import { isFixed } from '../../stores/leftovers.js'
import { findSegments, type StoredSegment } from '../../stores/segments.js'
import type { Writing } from '../encrypted.js'
import type { MergeOptions, MergeReport } from './merge.js'

/** What a merge begins with. */
export interface Begun {
  /** Opened again if records were deleted: what they stood for is left over then. */
  readonly chain: Chain
  readonly finished: FinishedSegments
  readonly restarted?: string | undefined
}

/**
 * Finds the segments of an interrupted merge with which this one goes on. If they will not do, deletes their records.
 *
 * @throws what the store throws
 */
export async function beginMerge(
  of: SegmentsOf,
  writing: Writing,
  options: Pick<MergeOptions, 'resume'>,
  checkLock: () => Promise<void>
): Promise<Begun> {
  const { chain, codecs } = of
  const records = recordsOf(of)
  const found = await look(of, writing, options)
  if (found instanceof FinishedSegments) return { chain, finished: found }
  await deleteEach(chain, records, checkLock)
  const again = await Chain.open(chain.store, chain.key, { codecs, signal: chain.options.signal })
  return { chain: again, finished: new FinishedSegments({ ...of, chain: again }), restarted: found }
}

/** What a merge would go on with, or why not. Reads the records, and changes nothing. @throws what the store throws */
export async function wouldResume(
  of: SegmentsOf,
  writing: Writing,
  options: Pick<MergeOptions, 'resume'>
): Promise<Pick<MergeReport, 'resumed' | 'restarted'>> {
  const found = await look(of, writing, { ...options, reads: false })
  return found instanceof FinishedSegments ? { resumed: resumedWith(found) } : { restarted: found }
}

/** The segments that a merge finds done, for its report. */
export function resumedWith({ dates, artifacts }: FinishedSegments): MergeReport['resumed'] {
  return dates.length === 0 ? undefined : { segments: dates.length, storedBytes: sizeOf(artifacts) }
}

export function sizeOf(artifacts: readonly { readonly sizeBytes: number }[]): number {
  return artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

function recordsOf({ chain, plan }: SegmentsOf): readonly StoredSegment[] {
  return chain.segments.filter(({ asOf }) => asOf === plan.date)
}

async function look(
  of: SegmentsOf,
  { codec, cipher }: Writing,
  { resume = true, reads }: Pick<MergeOptions, 'resume'> & FindOptions
): Promise<FinishedSegments | string> {
  const records = recordsOf(of)
  if (records.length === 0) return new FinishedSegments(of)
  return resume
    ? findFinished(of, records, codec.suffix + (cipher?.suffix ?? ''), { reads })
    : 'it was asked to begin anew'
}

/** Deletes the records of a merge whose state is stored. It cannot fail any more: `clean` deletes what is left. */
export async function endMerge(
  { store, key, options }: Chain,
  merged: { readonly date: string; readonly state: string },
  { onError }: Pick<MergeOptions, 'onError'>
): Promise<void> {
  try {
    const stored = await listStored(store, `${key}.`, options)
    // As long as the list is behind, the records say that their artifacts are not left over.
    if (stored.every(({ name }) => name !== merged.state)) return
    const records = findSegments(stored, key).filter(({ asOf }) => asOf === merged.date)
    await deleteEach({ store, options }, records, async () => {})
  } catch (error) {
    if (options.signal?.aborted) return
    if (!isBackupError(error)) throw error
    onError?.(error)
  }
}

async function deleteEach(
  { store, options }: Pick<Chain, 'store' | 'options'>,
  records: readonly StoredSegment[],
  check: () => Promise<void>
): Promise<void> {
  for (const { name } of records) {
    await check()
    await store.delete(name, options).catch(error => {
      if (!isFixed(error)) throw error
    })
  }
}
