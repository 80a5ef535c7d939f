import { checkReadable, withCodec } from '../../codec/index.js'
import { SEGMENT_BYTES, SEGMENTS_MAX } from '../../constants.js'
import { traceRun } from '../../flow/tracing.js'
import { checkKey } from '../../format/names.js'
import { whileLocked } from '../../lifecycle/locked.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import { parseAt } from '../../places/at.js'
import type { AtOptions } from '../../places/options.js'
import { openPlaces, type Places } from '../../places/places.js'
import { countBytes, type MergePlan, planMerge } from '../../rewrite/plan-merge.js'
import { listStored } from '../../stores/backup-names.js'
import { Chain, type StoredArtifact } from '../../stores/chain.js'
import { deleteLeftovers } from '../../stores/leftovers.js'
import type { Cipher, Codec, SealedArtifact } from '../../types.js'
import { writingFor } from '../encrypted.js'
import type { Progress } from '../options.js'
import { checkSigner } from '../signed.js'
import { beginMerge, endMerge, resumedWith, sizeOf, wouldResume } from './resume-merge.js'
import { rewriteDate, stateDigest } from './rewrite-date.js'
import { rewriteInSegments } from './rewrite-segments.js'

/** Options of `mergeBackups`: a date that becomes a full, or two dates between which increments become one. */
export interface MergeOptions extends AtOptions, LockedOptions {
  /** Say what would be read and written, and do nothing. */
  readonly dryRun?: boolean | undefined
  /** Folds the increments behind the newest backup made at or before this time into one, up to that of `to`. */
  readonly from?: Date | string | undefined
  /** The end of the fold. Default: the newest. */
  readonly to?: Date | string | undefined
  /** What the merged artifacts are written with. Default: what the state of the date was written with. */
  readonly codec?: Codec | undefined
  /** What the merged artifacts are encrypted with. Default: if they were encrypted, the cipher that reads them. */
  readonly encrypt?: Cipher | undefined
  /** Bytes of bodies that the merge may write, before compression: one that would write more is refused. */
  readonly maxBytes?: number | undefined
  /**
   * Bytes of bodies, before compression, behind which an interrupted merge can go on: one that writes more is stored in
   * segments of so many, or one content more, and of at most `SEGMENTS_MAX` segments. Default: `SEGMENT_BYTES`.
   */
  readonly segmentBytes?: number | undefined
  /** Go on with the segments of an interrupted merge of the same backup. Default: true. */
  readonly resume?: boolean | undefined
  /** Where deltas and bases of large files are spooled, in files without a name. Default: the system's temporary directory. */
  readonly spoolDirectory?: string | undefined
  /** Called for every entry that has passed. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** What a merge has done, or with `dryRun` would do. */
export interface MergeReport {
  readonly key: string
  /** The date that was merged. */
  readonly date: string
  /** Of a fold: the date whose bodies stay where they are. */
  readonly after?: string | undefined
  readonly kind: 'full' | 'incremental'
  /** False if the backup was so already, or nothing is to be written. */
  readonly isStored: boolean
  /** The backup was so already. */
  readonly wasMerged: boolean
  readonly files: readonly SealedArtifact[]
  readonly storedBytes: number
  /** Bytes of bodies that are written, before compression: known before. */
  readonly bodyBytes: number
  /** Bytes of the artifacts that are read, at most. */
  readonly readBytes: number
  readonly entries: number
  /** What it went on with, or would: segments of an interrupted merge, and the bytes of their artifacts. */
  readonly resumed?: { readonly segments: number; readonly storedBytes: number } | undefined
  /**
   * Why it did not go on with the segments that an interrupted merge had left, or would not. With `dryRun` their archives
   * are not read.
   */
  readonly restarted?: string | undefined
}

/**
 * Merges the backups of a key beside its store; the source is not needed. With `at`, the backup of a date becomes a full
 * by itself. With `from` and `to`, the increments behind one date, up to another, become one. Each content is proven
 * by its SHA-256 before the state is stored. Nothing is removed: later backups are read with what was merged, and what no
 * date needs any more can be pruned.
 *
 * Holds the lock on the key. A merge that is interrupted leaves no backup, and the segments that it has finished: the next
 * one of the same backup goes on behind them. What else the interrupted one left is removed.
 *
 * @throws BackupError IBT_LOCKED, IBT_NO_BACKUP, IBT_BASIS_MISSING, IBT_HASH_MISMATCH, IBT_CODEC_UNKNOWN, and what the
 * store throws.
 * @throws RangeError if more than `maxBytes` would be written, `from` is not earlier than `to`, or `segmentBytes` is not a
 * positive integer.
 */
export function mergeBackups(key: string, options: MergeOptions = {}): Promise<MergeReport> {
  return traceRun({ operation: 'merge', key }, () => mergeChecked(key, options))
}

async function mergeChecked(key: string, options: MergeOptions): Promise<MergeReport> {
  options.signal?.throwIfAborted()
  checkKey(key)
  if (options.at !== undefined && (options.from !== undefined || options.to !== undefined)) {
    throw new TypeError('mergeBackups: at is for a full, from and to are for a fold')
  }
  const { segmentBytes = SEGMENT_BYTES } = options
  if (!Number.isSafeInteger(segmentBytes) || segmentBytes < 1) {
    throw new RangeError(`mergeBackups: segmentBytes is a positive integer, not ${segmentBytes}`)
  }
  if (options.to !== undefined && options.from === undefined) throw new TypeError('mergeBackups: to comes with from')
  const places = openPlaces(options)
  if (options.dryRun) return merge(key, places, options, async () => {})
  return whileLocked(places, key, options, async checkLock => {
    checkSigner(await listStored(places.store, `${key}.manifest.`, options), key, options)
    return merge(key, places, options, checkLock)
  })
}

async function merge(
  key: string,
  places: Places,
  options: MergeOptions,
  checkLock: () => Promise<void>
): Promise<MergeReport> {
  const { signal, codec, encrypt, dryRun = false } = options
  const { cached } = places
  const codecs = withCodec(withCodec(options.codecs ?? [], codec), encrypt)
  const chain = await Chain.open(cached, key, { signal, codecs })
  const plan = await findPlan(chain, options)
  const writing = writingFor(chain.codec(plan.date), { codec, cipher: encrypt }, { key, dryRun })
  if (!dryRun || writing.cipher?.seals !== false) await checkReadable(writing.codec, codecs, writing.cipher)
  const needed = await chain.needs(plan.date)
  const report: MergeReport = {
    ...{ key, date: plan.date, after: plan.after, kind: plan.after === undefined ? 'full' : 'incremental' },
    ...{ isStored: false, wasMerged: plan.isMerged, files: [], storedBytes: 0 },
    bodyBytes: plan.isMerged ? 0 : await countBytes(chain, plan),
    readBytes: plan.isMerged ? 0 : needed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    entries: plan.closing.totals.entries
  }
  const { maxBytes = Infinity } = options
  if (report.bodyBytes > maxBytes) {
    throw new RangeError(`The merge would write ${report.bodyBytes} bytes, more than the ${maxBytes} that are allowed`)
  }
  if (plan.isMerged) return report
  const of = { chain, plan, sha256: await stateDigest(chain, plan), codecs }
  if (dryRun) return { ...report, ...(await wouldResume(of, writing, options)) }
  const check = async () => {
    await checkLock()
    return true
  }
  const { chain: current, finished, restarted } = await beginMerge(of, writing, options, checkLock)
  const isMerged = ({ asOf }: StoredArtifact) => asOf !== undefined
  await deleteLeftovers(current, cached, current.leftovers.filter(isMerged), { signal })
  await places.store.clean?.(key)
  const resumed = resumedWith(finished)
  const segmentBytes = Math.max(options.segmentBytes ?? SEGMENT_BYTES, Math.ceil(report.bodyBytes / SEGMENTS_MAX))
  const isWhole = resumed === undefined && report.bodyBytes <= segmentBytes
  const { artifacts } = isWhole
    ? await rewriteDate(current, plan, { ...options, ...writing }, check)
    : await rewriteInSegments(finished, { ...options, ...writing, segmentBytes }, check)
  const state = artifacts.find(({ kind }) => kind === 'state')!.name
  if (!isWhole || current.segments.length > 0) await endMerge(current, { date: plan.date, state }, options)
  return { ...report, isStored: true, files: artifacts, storedBytes: sizeOf(artifacts), resumed, restarted }
}

async function findPlan(chain: Chain, { at, from, to }: MergeOptions): Promise<MergePlan> {
  if (from === undefined) return planMerge(chain, chain.at(await parseAt(at)).date, undefined)
  const after = chain.at(await parseAt(from)).date
  const { date } = chain.at(await parseAt(to))
  if (after >= date) throw new RangeError(`The fold ends at ${date}, which is not later than ${after}`)
  return planMerge(chain, date, after)
}
