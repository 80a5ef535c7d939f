import { type BodyWriter, DeltaWriter, sizeUnknown, WholeWriter } from '../archive/body-writer.js'
import { HeldBack } from '../archive/held-back.js'
import { LinkGroups } from '../archive/link-groups.js'
import { storeRuns } from '../archive/store-runs.js'
import { storeSignature } from '../archive/store-signature.js'
import { settleChange } from '../change/compare.js'
import { recordKept, recordLink, recordStored } from '../change/record.js'
import { isReadRuns } from '../change/run-batch.js'
import { asChange, toUnreadable } from '../change/settle.js'
import { BackupError } from '../errors.js'
import { abortable } from '../flow/abortable.js'
import { withKnownSize } from '../flow/known-size.js'
import type { Memory } from '../flow/memory.js'
import { ArchiveWriter } from '../format/archive-writer.js'
import { toTarHeader } from '../format/tar-header.js'
import { printPath } from '../path.js'
import type { ArchiveKind, Body, Entry, Packed, Piece, Signed, Stage } from '../types.js'
import { isEntry } from '../types.js'

/** Options of `pack`. */
export interface PackOptions {
  /** The archive for whole contents and for all that is no file. */
  readonly whole: ArchiveKind
  /** The archive for deltas. */
  readonly delta?: ArchiveKind | undefined
  /** Shared with the `sign` that comes directly before and the `encode` directly behind. */
  readonly memory?: Memory | undefined
}

/**
 * Writes bodies into tar archives: whole ones into `whole`, deltas into `delta`, signatures into the sigvault.
 *
 * Consumes `Signed` (or plain `Entry`: then it opens the contents itself, and there is no digest and no signature);
 * yields `Piece` and `Packed`. Other items pass on. Order kept: an entry comes after the pieces that hold its bytes.
 * Reads the parts of a body before it pulls the next item.
 * Memory: one frame of each archive, one part of a delta, `PACK_PENDING_ENTRIES` entries that wait for their bytes,
 * and one table entry for each hard-link group.
 *
 * @throws BackupError IBT_SIZE_UNKNOWN for a content of unknown size above `PART_BYTES` that cannot be measured, IBT_FILE_CHANGED if one has another size
 * than it says.
 * @throws TypeError at the call without `whole`.
 */
export function pack(options: PackOptions): Stage<Entry, Packed | Piece> {
  if (options?.whole === undefined) throw new TypeError('pack: whole names the archive for whole contents')
  return async function* packStage(source, { signal } = {}) {
    const packer = new Packer(options)
    const held = new HeldBack<Packed>(packer.writers)
    for await (const item of source) {
      if (isReadRuns(item)) held.push(storeRuns(item, options.whole, packer) as object as Packed)
      else if (!isEntry(item)) held.push(item)
      else {
        const linked = packer.linked(asChange(item) as Signed)
        const signed = needsSize(linked) ? await withKnownSize(linked, signal) : linked
        const body = packer.bodyOf(signed)
        if (body === undefined) held.push(packer.keep(signed))
        else if (Array.isArray(body.parts)) held.push(packer.storeHeld(signed, body, body.parts))
        else held.push(yield* packer.store(signed, body, signal))
      }
      if (held.isFull) packer.flush()
      for (const ready of held.take()) yield ready
    }
    packer.end()
    for (const ready of held.take()) yield ready
  }
}

class Packer {
  readonly whole: ArchiveWriter
  readonly delta: ArchiveWriter | undefined
  readonly sigvault: ArchiveWriter
  readonly writers: readonly ArchiveWriter[]
  readonly #groups = new LinkGroups()

  constructor(readonly options: PackOptions) {
    const { whole, delta, memory } = options
    this.whole = new ArchiveWriter(whole, memory)
    this.delta = delta === undefined ? undefined : new ArchiveWriter(delta, memory)
    this.sigvault = new ArchiveWriter('sigvault', memory)
    this.writers = [this.whole, ...(this.delta === undefined ? [] : [this.delta]), this.sigvault]
  }

  flush(): void {
    for (const writer of this.writers) writer.flush()
  }

  end(): void {
    for (const writer of this.writers) if (writer.offset > 0) writer.end()
  }

  /** A further member of a hard-link group that `sign` has not seen. */
  linked(item: Signed): Signed {
    if (item.type !== 'file' || item.link === undefined || item.body !== undefined || item.linkTo !== undefined)
      return item
    const first = item.change === 'created' ? this.#groups.find(item) : undefined
    return first?.isInArchive ? { ...item, linkTo: first.state.path } : item
  }

  /** The body of an item; for a file that `sign` has not seen, its content. */
  bodyOf(item: Signed): Body | undefined {
    if (item.type !== 'file' || item.linkTo !== undefined) return undefined
    if (item.body !== undefined) return item.body
    if (item.origin !== undefined || (item.change !== 'created' && item.change !== 'updated')) return undefined
    if (item.sizeBytes === undefined) throw sizeUnknown(item)
    return plainBody(item)
  }

  /** Takes an item that has no body. */
  keep(item: Signed): Packed {
    if (item.change === 'deleted') return { state: undefined, storedBytes: 0, ...item }
    if (item.linkTo !== undefined) return this.#keepLink(item, item.linkTo)
    const isNew = item.origin === undefined && (item.change === 'created' || item.change === 'updated')
    if (isNew && item.type !== 'unreadable' && item.type !== 'socket') this.whole.header(toTarHeader(item))
    return { state: this.#groups.add(item, recordKept(item)), storedBytes: 0, ...item }
  }

  #keepLink(item: Signed, linkTo: string): Packed {
    const first = this.#groups.find(item)
    if (first === undefined) {
      const message = `${printPath(item.path)} is a link to ${printPath(linkTo)}, whose content is not at hand`
      return this.keep(toUnreadable(item, new BackupError('IBT_READ_FAILED', message, { path: item.path })))
    }
    const { change, state } = recordLink(item, first.state)
    const isNew = change === 'created' || change === 'updated'
    if (isNew && first.isInArchive) this.whole.header(toTarHeader(state, { type: 'link', linkname: first.state.path }))
    return { state, storedBytes: 0, ...item, change }
  }

  /** Takes an item with a body that is in memory. */
  storeHeld(item: Signed, body: Body, parts: readonly Uint8Array[]): Packed {
    const writer = this.#writer(item, body)
    for (const part of parts) writer.part(part)
    return this.#stored(item, body, writer)
  }

  /** Takes an item with a body, part by part. */
  async *store(item: Signed, body: Body, signal?: AbortSignal): AsyncGenerator<Piece, Packed, undefined> {
    const writer = this.#writer(item, body)
    for await (const part of abortable(body.parts, signal)) {
      writer.part(part)
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
    if (summary.error !== undefined) return this.keep(toUnreadable(item, summary.error))
    const { previous } = item
    const change = previous === undefined ? item.change : settleChange(item, previous, summary.sha256)
    const isKept = place === undefined || (change !== 'created' && change !== 'updated')
    if (isKept) {
      const { dirty, racy, sha256 } = summary
      const origin = item.origin?.sha256 === sha256 ? item.origin : undefined
      return this.keep({ ...item, change, dirty, racy, origin, body: undefined })
    }
    const signature = storeSignature(this.sigvault, item, summary)
    const state = this.#groups.add(item, recordStored(item, summary, { place, signature }), body.form === 'whole')
    // Nobody may keep the parts: their memory is used again.
    const packed = { state, storedBytes: writer.storedBytes, ...item, change, body: undefined }
    return packed
  }
}

/** Whether a content that no stage has signed is stored, of which nobody knows the size. */
function needsSize({ type, sizeBytes, content, body, linkTo, origin, change }: Signed): boolean {
  if (type !== 'file' || sizeBytes !== undefined || content === undefined || body !== undefined) return false
  return linkTo === undefined && origin === undefined && (change === 'created' || change === 'updated')
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
