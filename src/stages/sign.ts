import { type BatchResult, Deferred, Failed } from '../change/batch.js'
import { checkPolicy, type SignPolicy } from '../change/policy.js'
import { ReadQueue } from '../change/read-queue.js'
import { isReadRuns, type ReadRuns } from '../change/run-batch.js'
import { asChange, toUnreadable, toVanished } from '../change/settle.js'
import { signStream } from '../change/stream.js'
import { isBroken, type SignContext } from '../change/stream-body.js'
import { IN_FLIGHT_BYTES, PART_BYTES, SPARSE_HELD_BYTES } from '../constants.js'
import { type Breather, createBreather } from '../flow/breathe.js'
import type { Memory } from '../flow/memory.js'
import { DiskContent } from '../source/disk.js'
import { ListedRun } from '../source/listed.js'
import { type Change, type Entry, isEntry, type Origins, type Signed, type Stage } from '../types.js'

/** Options of `sign`. */
export interface SignOptions extends SignPolicy {
  /** Bytes of contents that are read ahead, at most. Default: `IN_FLIGHT_BYTES`. */
  readonly inFlightBytes?: number | undefined
  /** Finds contents of the previous state: a file that has one is stored without any, or as a delta on it. Default: the pipeline's. */
  readonly origins?: Origins | undefined
  /** Shared with the `pack` that comes directly behind. Default: fresh memory for all that is read. */
  readonly memory?: Memory | undefined
}

/**
 * Reads every content that has to be looked at, once: SHA-256, signature and, where there is a basis, its delta.
 *
 * Consumes `Entry` (a full) or `Change`; yields `Signed`. Other items pass on. Order kept.
 * A file is opened once and read once; a small one that changes under the read is read again, up to three times, and
 * is `dirty` then; a large one is `dirty` at once. Same bytes as before: `touched` or `unchanged`, without a body.
 * What vanished is `deleted`, or left out if it is new; what cannot be read is `unreadable`, or `carried` if it was
 * there before. A further member of a hard-link group is not read: `linkTo` names the first.
 * Files on disk of up to `PART_BYTES` (sparse ones: `SPARSE_HELD_BYTES`) are read ahead in batches; larger ones and all
 * other contents stream when their turn comes. The holes of a sparse file that streams are not read.
 * Memory: `inFlightBytes` of contents, `SLOTS` times `SLOT_ENTRIES` entries, one table entry for each hard-link group, and
 * 20 bytes for each block of the content that streams.
 *
 * @throws BackupError IBT_SIZE_UNKNOWN for a content of unknown size above `PART_BYTES` that has no basis.
 * @throws RangeError at the call for an option that makes no sense.
 */
export function sign(options: SignOptions = {}): Stage<Entry, Signed> {
  const policy = checkPolicy(options)
  const { inFlightBytes = IN_FLIGHT_BYTES } = options
  if (!(inFlightBytes > 0)) throw new RangeError('sign: inFlightBytes is positive')
  return async function* signStage(source, { signal, origins } = {}) {
    const context = { policy, memory: options.memory, origins: options.origins ?? origins, signal }
    const queue = new ReadQueue<Signed | Deferred>(inFlightBytes, context)
    const links = new Links()
    const breather = createBreather()
    for await (const item of source) {
      const entries = item instanceof ListedRun ? queue.readRun(item) : [item]
      for (const entry of entries) {
        if (entry === undefined) {
          while (queue.isFull) yield* settle(await queue.shift(), links, breather, context)
          continue
        }
        const linkTo = isEntry(entry) ? links.find(entry) : undefined
        const isRead = isEntry(entry) && linkTo === undefined && needsRead(entry)
        if (!isRead) {
          const passed = linkTo === undefined ? toSigned(entry) : { linkTo, ...asChange(entry) }
          if (queue.isEmpty && linkTo === undefined) {
            yield passed
            continue
          }
          queue.push(passed)
        } else if (isBatchable(entry)) queue.read(entry)
        else queue.push(new Deferred(entry))
        const drains = isRead && !isBatchable(entry)
        while (queue.isFull || (drains && !queue.isEmpty)) yield* settle(await queue.shift(), links, breather, context)
      }
    }
    while (!queue.isEmpty) yield* settle(await queue.shift(), links, breather, context)
  }
}

async function* settle(
  results: readonly (BatchResult | ReadRuns)[],
  links: Links,
  breather: Breather,
  context: SignContext
): AsyncGenerator<Signed, void, undefined> {
  for (const result of results) {
    if (breather.due()) await breather.pause()
    // To the stages behind it is one of the items that they let pass.
    if (isReadRuns(result)) yield result as object as Signed
    else if (result instanceof Failed) yield* fail(result, links)
    else if (result instanceof Deferred || links.isBroken(result)) {
      const entry = result instanceof Deferred ? result.entry : { ...result, linkTo: undefined }
      for await (const signed of signStream(entry, context)) {
        if (signed instanceof Failed) yield* fail(signed, links)
        else {
          yield signed
          if (isBroken(signed.body)) links.break(signed)
        }
      }
    } else yield result
  }
}

function* fail({ entry, error }: Failed, links: Links): Generator<Signed> {
  links.break(entry)
  const kept = error === undefined ? toVanished(entry) : toUnreadable(entry, error)
  if (kept !== undefined) yield kept
}

function toSigned(item: Entry): Signed {
  return isEntry(item) ? asChange(item) : item
}

function needsRead(item: Entry & Partial<Change>): boolean {
  if (item.content === undefined) return false
  return item.change === undefined || item.change === 'created' || item.change === 'updated'
}

function isBatchable(item: Entry): boolean {
  if (!(item.content instanceof DiskContent)) return false
  const { sizeBytes = Infinity } = item
  return sizeBytes <= (item.sparse ? SPARSE_HELD_BYTES : PART_BYTES)
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
