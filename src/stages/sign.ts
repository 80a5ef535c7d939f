import { type Reading, readContents } from '../change/content-reader.js'
import { toUnreadable, toVanished } from '../change/decide-body.js'
import { checkPolicy, type SignPolicy } from '../change/policy.js'
import { Failed } from '../change/read-batch.js'
import { signStream } from '../change/stream.js'
import { isBroken, type SignContext } from '../change/stream-body.js'
import { isUnchangedSpan } from '../change/unchanged.js'
import { IN_FLIGHT_BYTES, TRACKED_BLOCK_LEN_MAX } from '../constants.js'
import { batchStage } from '../flow/batches.js'
import { Pool } from '../flow/memory.js'
import { allocateBytes } from '../native.js'
import type { Batch, Change, Entry, FindChangedBlocks, Origins, Signed, Stage } from '../types.js'

/** Options of `sign`. */
export interface SignOptions extends SignPolicy {
  /** Bytes of contents that are read ahead, at most. Default: `IN_FLIGHT_BYTES`. */
  readonly inFlightBytes?: number | undefined
  /**
   * Finds what has changed in files of more than `PART_BYTES`, in a source that knows: only these blocks are read. A file
   * that was read so has no SHA-256: the digest of its signature proves it. Also records that digest for every file of
   * such a size, without which no map is used.
   */
  readonly changedBlocks?: FindChangedBlocks | undefined
  /** Date of the backup that `diff` compares with, at which a map has to begin. Default: no map is used. */
  readonly basisDate?: string | undefined
  /** Finds contents of the previous state: a file that has one is stored without any, or as a delta on it. Default: the pipeline's. */
  readonly origins?: Origins | undefined
}

/**
 * Reads every content that has to be looked at, once: SHA-256, signature and, where there is a basis, its delta.
 *
 * Consumes `Entry` (a full) or `Change`; yields `Signed`. Other items pass on. Order kept.
 * A file is opened once and read once; a small one that changes under the read is read again, up to three times, and
 * is `dirty` then; a large one is `dirty` at once. Same bytes as before: `touched` or `unchanged`, without a body.
 * What vanished is `deleted`, or left out if it is new; what cannot be read is `unreadable`, or `carried` if it was
 * there before. A further member of a hard-link group is not read: `linkTo` names the first.
 * Files on disk of up to `PART_BYTES` (sparse ones: `SPARSE_BUFFERED_BYTES`) are read ahead in batches; larger ones and all
 * other contents stream when their turn comes. The holes of a sparse file that streams are not read.
 * Memory: `inFlightBytes` of contents, `SLOTS` times `SLOT_ENTRIES` entries, one table entry for each hard-link group, and
 * 20 bytes for each block of the content that streams, 40 where a map says what has changed.
 *
 * @throws BackupError IBT_SIZE_UNKNOWN for a content of unknown size above `PART_BYTES` that has no basis.
 * @throws RangeError at the call for an option that makes no sense.
 */
export function sign(options: SignOptions = {}): Stage<Entry, Signed> {
  const { changedBlocks: find, basisDate } = options
  const maps = find && { find, basisDate }
  const policy = checkPolicy({ ...options, blockLenMax: options.blockLenMax ?? (maps && TRACKED_BLOCK_LEN_MAX) })
  const { inFlightBytes = IN_FLIGHT_BYTES } = options
  if (!(inFlightBytes > 0)) throw new RangeError('sign: inFlightBytes is positive')
  return batchStage<Entry, Signed>(async function* signStage(source, { signal, origins, onRead }) {
    const context = { policy, pool: new Pool(allocateBytes), maps, origins: options.origins ?? origins, onRead, signal }
    yield* readContents(source, new SignReading(context), inFlightBytes, context)
  })
}

/** What has to be looked at is read; a further member of a hard-link group has the content of the first. */
class SignReading implements Reading {
  readonly #links = new Links()

  constructor(readonly context: SignContext) {}

  passes(batch: Batch<Entry>): boolean {
    return isUnchangedSpan(batch)
  }

  route(item: Change): Signed | 'read' {
    const linkTo = this.#links.find(item)
    if (linkTo !== undefined) return { linkTo, ...item }
    return needsRead(item) ? 'read' : item
  }

  isBroken(item: Signed): boolean {
    return this.#links.isBroken(item)
  }

  async *alone(entry: Entry & Partial<Signed>): AsyncGenerator<Signed, void, undefined> {
    const own = entry.linkTo === undefined ? entry : { ...entry, linkTo: undefined }
    for await (const signed of signStream(own, this.context)) {
      if (signed instanceof Failed) yield* this.failed(signed)
      else {
        yield signed
        if (isBroken(signed.body)) this.#links.break(signed)
      }
    }
  }

  *failed({ entry, error }: Failed): Generator<Signed, void, undefined> {
    this.#links.break(entry)
    const kept = error === undefined ? toVanished(entry) : toUnreadable(entry, error)
    if (kept !== undefined) yield kept
  }
}

function needsRead({ content, change }: Change): boolean {
  return content !== undefined && (change === 'created' || change === 'updated')
}

/** The first member of each hard-link group: the others share its content, unless it could not be read. */
class Links {
  readonly #first = new Map<number, string>()
  readonly #broken = new Set<number>()

  /** The first member of the entry's group; undefined if it is the first itself. */
  find(item: Entry & Partial<Change>): string | undefined {
    if (item.link === undefined || item.type !== 'file' || item.carried || item.change === 'deleted') return undefined
    const first = this.#first.get(item.link)
    if (first === undefined) this.#first.set(item.link, item.path)
    return first
  }

  /** The first member could not be read: the next one is read. */
  break({ link }: Entry): void {
    if (link !== undefined) this.#broken.add(link)
  }

  isBroken({ link, linkTo }: Signed): boolean {
    return linkTo !== undefined && link !== undefined && this.#broken.has(link)
  }
}
