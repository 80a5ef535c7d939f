import { isBackupError } from '../../errors.js'
import { nextDate } from '../../format/dates.js'
import { parseSegmentName, segmentName } from '../../format/names.js'
import { pipe } from '../../interop/pipe.js'
import { comparePaths } from '../../path.js'
import { type Segment, SegmentCutter } from '../../rewrite/cut-segments.js'
import type { FinishedSegments } from '../../rewrite/finished-segments.js'
import { recordMerged } from '../../rewrite/record-merged.js'
import { encode } from '../../stages/encode.js'
import { pack } from '../../stages/pack.js'
import { type Published, publish } from '../../stages/publish.js'
import { stateEmit } from '../../stages/state-emit.js'
import {
  type Chunk,
  type Counted,
  isChunk,
  isSealed,
  type MergedEntry,
  type Sealed,
  type SealedArtifact,
  type Source,
  type Stage
} from '../../types.js'
import { encryption } from '../backup-stages.js'
import { archivesOf, inheritedBy, mergedBodies, mergedHeader, type RewriteOptions } from './rewrite-date.js'

/** How a merge is written in segments. */
export interface SegmentOptions extends RewriteOptions {
  /** Bytes of bodies of a segment, before compression. */
  readonly segmentBytes: number
}

/**
 * Writes the artifacts of a date again, as `rewriteDate` does, in segments: each has archives of its own under a date of
 * its own, and a record of what the state will say of its entries, which is stored last. So a merge that is interrupted
 * goes on behind the last record. When all have been stored, the state is made of the records.
 *
 * `finished`: the segments with which it goes on. `commits` is asked before each record and the state.
 * Memory: that of `rewriteDate`, and the artifacts.
 *
 * @throws what the stages throw. Then the backup is as it was, and the segments that have been finished stay.
 */
export async function rewriteInSegments(
  finished: FinishedSegments,
  options: SegmentOptions,
  commits: () => Promise<boolean>
): Promise<Published> {
  const { chain, plan } = finished.of
  const { path: last } = finished.last ?? {}
  const isStored = (path: string) => last !== undefined && comparePaths(path, last) <= 0
  const cutter = new SegmentCutter(
    {
      bodies: mergedBodies(chain, plan, options, isStored),
      written: entriesLeft(chain.writtenEntries(plan.date), isStored)
    },
    options.segmentBytes
  )
  try {
    for (let next = await cutter.next(); next !== undefined; next = await cutter.next()) {
      const record = await writeSegment(finished, next, options, commits)
      await finished.add(record)
    }
  } finally {
    await cutter.close()
  }
  return writeState(finished, options, commits)
}

/** Resolves to the record. */
async function writeSegment(
  { of: { chain, plan, sha256 }, dates, last, links }: FinishedSegments,
  { bodies, written }: Segment,
  { codec, cipher, signal }: SegmentOptions,
  commits: () => Promise<boolean>
) {
  const { date: asOf, stays } = plan
  const [date, before] = [nextDate(Date.now(), latest(dates.at(-1), chain.lastDate)), new Set(dates)]
  const header = mergedHeader(plan, [...dates.map(date => ({ date, asOf })), { date, asOf }], sha256)
  const { artifacts } = await pipe(
    bodies,
    pack({ ...archivesOf(plan), stored: links.values() }),
    recordMerged(written, { stays, isNew: date => date === '' || before.has(date) }),
    encode(codec, header, { digest: cipher === undefined }),
    encryption(cipher),
    stateEmit(header, { behind: last }),
    encode(codec, header, { digest: cipher === undefined }),
    encryption(cipher),
    asRecord,
    publish(chain.store, { commits }),
    { signal }
  ).catch(error => {
    // Whether a record was stored or not, no backup depends on it.
    throw isBackupError(error) && error.code === 'IBT_OUTCOME_UNKNOWN' ? error.cause : error
  })
  const { name } = artifacts.find(({ kind }) => kind === 'state')!
  return { name, ...parseSegmentName(name)! }
}

async function writeState(
  finished: FinishedSegments,
  { codec, cipher, signal }: SegmentOptions,
  commits: () => Promise<boolean>
): Promise<Published> {
  const { of, dates, artifacts } = finished
  const { chain, plan, sha256 } = of
  const links = dates.map(date => ({ date, asOf: plan.date }))
  const header = mergedHeader(plan, [...links.slice(0, -1), links.at(-1)!], sha256)
  const inherited = () => [...inheritedBy(plan), ...artifacts]
  const published = await pipe(
    finished.entries(),
    stateEmit(header, { inherited, totals: () => plan.closing.totals }),
    encode(codec, header, { digest: cipher === undefined }),
    encryption(cipher),
    publish(chain.store, { commits }),
    { signal }
  )
  const segments = artifacts.map(
    ({ name, kind, sizeBytes, sha256 }): SealedArtifact => ({ name, kind, sizeBytes, sha256 })
  )
  return { ...published, artifacts: [...segments, ...published.artifacts] }
}

/** A state that is stored under the name of a record. */
const asRecord: Stage<Chunk | Sealed | Counted> = async function* asRecordStage(source) {
  for await (const item of source) {
    yield (isChunk(item) || isSealed(item)) && item.kind === 'state' ? { ...item, name: segmentName(item.name) } : item
  }
}

async function* entriesLeft(entries: Source<MergedEntry>, isStored: (path: string) => boolean) {
  for await (const entry of entries) if (!isStored(entry.path)) yield entry
}

function latest(...dates: readonly (string | undefined)[]): string | undefined {
  return dates.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a), undefined)
}
