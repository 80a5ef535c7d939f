import { type BodyWriter, DeltaWriter, sizeUnknown, WholeWriter } from '../archive/body-writer.js'
import { LinkGroups } from '../archive/link-groups.js'
import { PendingItems } from '../archive/pending-items.js'
import { storeSignature } from '../archive/store-signature.js'
import { type StoredSpans, storeSpans, UnchangedLines } from '../archive/store-spans.js'
import { isSameContent, kindOfRead } from '../change/compare.js'
import { type Reading, readContents } from '../change/content-reader.js'
import { asChange, toUnreadable } from '../change/decide-body.js'
import { metadataOf } from '../change/metadata.js'
import { checkPolicy } from '../change/policy.js'
import { isReadSpans } from '../change/read-spans.js'
import { recordLink, recordStored, recordUnstored } from '../change/record.js'
import { isUnchangedSpan } from '../change/unchanged.js'
import { IN_FLIGHT_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { abortable } from '../flow/abortable.js'
import { batchesOf, batchStage, isBatch } from '../flow/batches.js'
import { withKnownSize } from '../flow/known-size.js'
import { Pool } from '../flow/memory.js'
import { ArchiveWriter } from '../format/archive-writer.js'
import { checkValues } from '../format/entry-check.js'
import { toTarHeader } from '../format/tar-header.js'
import { allocateBytes } from '../native.js'
import { printPath } from '../path.js'
import { readFailed } from '../source/disk.js'
import {
  type ArchiveKind,
  type Batched,
  type Body,
  type Entry,
  isEntry,
  type Packed,
  type Piece,
  type Signed,
  type Stage,
  type StateEntry,
  type Summary
} from '../types.js'

/** Options of `pack`. */
export interface PackOptions {
  /** The archive for whole contents and for all that is no file. */
  readonly whole: ArchiveKind
  /** The archive for deltas. */
  readonly delta?: ArchiveKind | undefined
  /** First members of hard-link groups whose contents earlier archives hold: further members are stored as links to them. */
  readonly stored?: Iterable<StateEntry> | undefined
}

/**
 * Writes bodies into tar archives: whole ones into `whole`, deltas into `delta`, signatures into the sigvault.
 *
 * Consumes `Signed` (or plain `Entry`: then it reads the contents itself, without signatures and deltas, and an entry
 * that cannot be read ends the run); yields `Piece` and `Packed`. Other items pass on. Order kept: an entry comes after
 * the pieces that hold its bytes.
 * Of contents that it reads itself, those on disk of up to `PART_BYTES` are read ahead in batches, as `sign` does; others
 * have no digest. Reads the parts of any other body before it pulls the next item.
 * Memory: one frame of each archive, one part of a delta, `PACK_PENDING_ENTRIES` entries that wait for their bytes,
 * one table entry for each hard-link group, and `IN_FLIGHT_BYTES` of what it reads ahead.
 *
 * @throws BackupError IBT_SIZE_UNKNOWN for a content of unknown size above `PART_BYTES` that cannot be measured, IBT_FILE_CHANGED if one has another size
 * than it says.
 * IBT_STATE_INVALID for a value that no archive can hold.
 * @throws TypeError at the call without `whole`.
 */
export function pack(options: PackOptions): Stage<Entry, Packed | Piece> {
  if (options?.whole === undefined) throw new TypeError('pack: whole names the archive for whole contents')
  return batchStage<Entry, Packed | Piece>(async function* packStage(source, { signal }) {
    const packer = new Packer(options)
    const pending = new PendingItems<Packed | StoredSpans | UnchangedLines>(packer.writers)
    const context = { policy: UNSIGNED, pool: new Pool(allocateBytes), signal }
    for await (const item of readContents(source, PACK_READING, IN_FLIGHT_BYTES, context)) {
      if (isReadSpans(item)) pending.push(storeSpans(item, options.whole, packer))
      else if (isUnchangedSpan(item)) pending.push(new UnchangedLines(item))
      else {
        for (const single of isBatch(item) ? item : [item]) {
          const packed = packer.add(needsSize(single) ? await withKnownSize(single, signal) : single)
          pending.push(packed instanceof OpenBody ? yield* packer.store(packed, signal) : packed)
        }
        // Bodies in memory were copied, or have a lease of their own.
        if (isBatch(item)) item.release?.()
      }
      if (pending.isFull) packer.flush()
      yield* pending.take()
    }
    packer.end()
    yield* pending.take()
  })
}

const UNSIGNED = checkPolicy({ signedMinBytes: Infinity })

/** Reads in batches what no stage has read; all else the packer opens. */
const PACK_READING: Reading = {
  passes(batch) {
    if (isReadSpans(batch) || isUnchangedSpan(batch)) return true
    for (const item of batch) if (isEntry(item) && PACK_READING.route(asChange(item)) === 'read') return false
    return true
  },
  route(item) {
    const { body, link }: Signed = item
    if (!isUnread(item)) return body === undefined || Array.isArray(body.parts) ? item : 'alone'
    // A further member of a hard-link group has the content of the first.
    return link === undefined ? 'read' : 'alone'
  },
  alone: entry => [entry as Signed],
  failed({ entry, error }) {
    throw error ?? readFailed(entry, undefined)
  }
}

/** A body that comes part by part. */
class OpenBody {
  constructor(
    readonly item: Signed,
    readonly body: Body
  ) {}
}

class Packer {
  readonly whole: ArchiveWriter
  readonly delta: ArchiveWriter | undefined
  readonly sigvault: ArchiveWriter
  readonly writers: readonly ArchiveWriter[]
  readonly #groups = new LinkGroups()

  constructor(readonly options: PackOptions) {
    const { whole, delta, stored = [] } = options
    for (const entry of stored) this.#groups.add({ ...metadataOf(entry), change: 'unchanged' }, entry)
    const pool = new Pool()
    this.whole = new ArchiveWriter(whole, pool)
    this.delta = delta === undefined ? undefined : new ArchiveWriter(delta, pool)
    this.sigvault = new ArchiveWriter('sigvault', pool)
    this.writers = [this.whole, ...(this.delta === undefined ? [] : [this.delta]), this.sigvault]
  }

  flush(): void {
    for (const writer of this.writers) writer.flush()
  }

  end(): void {
    for (const writer of this.writers) if (writer.offset > 0) writer.end()
  }

  /** Takes an item; one whose body is not in memory is to be stored part by part. Other items pass. */
  add(item: Entry): Packed | OpenBody {
    if (!isEntry(item)) return item
    const signed = this.#linked(asChange(item) as Signed)
    if (signed.change !== 'deleted') checkValues(signed)
    const body = this.#bodyOf(signed)
    if (body === undefined) return this.addUnstored(signed)
    return Array.isArray(body.parts) ? this.#storeInMemory(signed, body, body.parts) : new OpenBody(signed, body)
  }

  /** A further member of a hard-link group that `sign` has not seen. */
  #linked(item: Signed): Signed {
    if (item.type !== 'file' || item.link === undefined || item.body !== undefined || item.linkTo !== undefined)
      return item
    const first = item.change === 'created' ? this.#groups.find(item) : undefined
    return first?.isInArchive ? { ...item, linkTo: first.state.path } : item
  }

  /** The body of an item; for a file that `sign` has not seen, its content. */
  #bodyOf(item: Signed): Body | undefined {
    if (item.type !== 'file' || item.linkTo !== undefined) return undefined
    if (!isUnread(item)) return item.body
    if (item.sizeBytes === undefined) throw sizeUnknown(item)
    return plainBody(item)
  }

  /** Takes an item that has no body. */
  addUnstored(item: Signed): Packed {
    if (item.change === 'deleted') return { item: 'packed', state: undefined, storedBytes: 0, ...item }
    if (item.linkTo !== undefined) return this.#addLink(item, item.linkTo)
    const isNew = item.origin === undefined && (item.change === 'created' || item.change === 'updated')
    if (isNew && item.type !== 'unreadable' && item.type !== 'socket') this.whole.header(toTarHeader(item))
    return { item: 'packed', state: this.#groups.add(item, recordUnstored(item)), storedBytes: 0, ...item }
  }

  #addLink(item: Signed, linkTo: string): Packed {
    const first = this.#groups.find(item)
    if (first === undefined) {
      const message = `${printPath(item.path)} is a link to ${printPath(linkTo)}, whose content is not available`
      return this.addUnstored(toUnreadable(item, new BackupError('IBT_READ_FAILED', message, { path: item.path })))
    }
    const { change, state } = recordLink(item, first.state)
    const isNew = change === 'created' || change === 'updated'
    if (isNew && first.isInArchive) this.whole.header(toTarHeader(state, { type: 'link', linkname: first.state.path }))
    return { item: 'packed', state, storedBytes: 0, ...item, change }
  }

  /** Takes an item with a body that is in memory. */
  #storeInMemory(item: Signed, body: Body, parts: readonly Uint8Array[]): Packed {
    const writer = this.#writer(item, body)
    for (const part of parts) writer.part(part)
    return this.#stored(item, body, writer)
  }

  /** Takes an item with a body, part by part. */
  async *store({ item, body }: OpenBody, signal?: AbortSignal): AsyncGenerator<Batched<Piece>, Packed, undefined> {
    const writer = this.#writer(item, body)
    for await (const parts of batchesOf(abortable(body.parts, signal))) {
      if (!isBatch(parts)) writer.part(parts)
      else for (const part of parts) writer.part(part, parts)
      yield* writer.archive.takePieces()
    }
    return this.#stored(item, body, writer)
  }

  #writer(item: Signed, body: Body): BodyWriter {
    const { whole, delta } = this.options
    if (body.form === 'whole') return new WholeWriter(this.whole, whole, item, body)
    if (this.delta === undefined) throw new TypeError('pack: delta names the archive for deltas')
    return new DeltaWriter(this.delta, delta!, item, body)
  }

  #stored(item: Signed, body: Body, writer: BodyWriter): Packed {
    const place = writer.end()
    const summary = body.result()
    if (summary.error !== undefined) return this.addUnstored(toUnreadable(item, summary.error))
    if (body.form === 'whole' && body.sizeBytes !== undefined && summary.sizeBytes !== body.sizeBytes) {
      throw changedSize(item, body.sizeBytes, summary)
    }
    const { previous } = item
    const change = previous === undefined ? item.change : kindOfRead(item, previous, summary)
    const isUnstored = place === undefined || (change !== 'created' && change !== 'updated')
    if (isUnstored) {
      const { dirty, racy, sha256 } = summary
      const origin = item.origin && isSameContent(summary, item.origin) ? item.origin : undefined
      const foundSha256 = sha256 === '' ? undefined : sha256
      return this.addUnstored({ ...item, change, dirty, racy, origin, foundSha256, body: undefined })
    }
    const signature = storeSignature(this.sigvault, item, summary)
    const state = this.#groups.add(item, recordStored(item, summary, { place, signature }), body.form === 'whole')
    // Nobody may keep the parts: their memory may be used again.
    const { storedBytes } = writer
    const reason = reasonOf(body, summary)
    const packed = { item: 'packed', state, storedBytes, reason, ...item, change, body: undefined } as const
    return packed
  }
}

/** Whether a content is to be stored that no stage has read. */
function isUnread({ type, body, linkTo, origin, change = 'created' }: Partial<Signed>): boolean {
  if (type !== 'file' || body !== undefined || linkTo !== undefined || origin !== undefined) return false
  return change === 'created' || change === 'updated'
}

/** Whether nobody knows the size of such a content. */
function needsSize(item: Partial<Signed>): boolean {
  return item.sizeBytes === undefined && item.content !== undefined && isUnread(item)
}

function changedSize({ path }: Signed, storedBytes: number, { sizeBytes }: Summary): BackupError {
  const message = `${printPath(path)} was stored with ${storedBytes} bytes, not the ${sizeBytes} that its body says at its end`
  return new BackupError('IBT_FILE_CHANGED', message, { path })
}

/** A delta without a COPY is a whole content. */
function reasonOf({ form, reason }: Body, { copies }: Summary): Packed['reason'] {
  if (form === 'whole') return reason
  return copies > 0 ? 'delta' : 'nothing-in-common'
}

/** The body of a file that no stage has signed. */
function plainBody({ content, sizeBytes = 0 }: Entry): Body {
  return {
    form: 'whole',
    sizeBytes,
    parts: content?.open() ?? [],
    result: () => ({ sizeBytes, sha256: '', copies: 0 })
  }
}
