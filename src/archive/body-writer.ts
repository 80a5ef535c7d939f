import { isSameContent } from '../change/compare.js'
import { basisOf, placesFor } from '../change/record.js'
import { PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import type { ArchiveWriter } from '../format/archive-writer.js'
import { encodeSparseMap } from '../format/sparse-map.js'
import { toTarHeader } from '../format/tar-header.js'
import { printPath } from '../path.js'
import type { ArchiveKind, Batch, Body, Entry, Place, Signed, Summary } from '../types.js'
import { DataFilter } from './sparse.js'

type BodyLease = Pick<Batch<Uint8Array>, 'release' | 'keep'>

/** Puts the parts of one body into an archive. */
export interface BodyWriter {
  readonly archive: ArchiveWriter
  part(bytes: Uint8Array, lease?: BodyLease): void
  /** Where the body is; undefined if it turned out that nothing is to be stored. */
  end(): Place | undefined
  /** Of the body in the archive, after its end. */
  readonly storedBytes: number
}

/** A whole body: it must have the size that its entry says. */
export class WholeWriter implements BodyWriter {
  readonly storedBytes: number
  readonly #sizeBytes: number
  readonly #offset: number
  readonly #data: DataFilter | undefined
  #left: number

  /** @throws BackupError IBT_SIZE_UNKNOWN */
  constructor(
    readonly archive: ArchiveWriter,
    readonly kind: ArchiveKind,
    readonly item: Signed,
    { sizeBytes, extents }: Body
  ) {
    if (sizeBytes === undefined) throw sizeUnknown(item)
    this.#sizeBytes = this.#left = this.storedBytes = sizeBytes
    if (extents === undefined) {
      this.#offset = archive.header(toTarHeader(item, { sizeBytes }))
      return
    }
    const map = encodeSparseMap(extents, sizeBytes)
    this.#data = new DataFilter(item.path, extents)
    this.storedBytes = map.length + this.#data.dataBytes
    this.#offset = archive.header(toTarHeader(item, { sizeBytes: this.storedBytes, sparseSizeBytes: sizeBytes }))
    archive.body(map)
  }

  part(bytes: Uint8Array, lease?: BodyLease): void {
    this.#left -= bytes.length
    if (this.#left < 0) throw this.#wrongSize('more')
    if (this.#data === undefined) this.archive.body(bytes, lease)
    else for (const data of this.#data.take(bytes)) this.archive.body(data)
  }

  end(): Place {
    if (this.#left > 0) throw this.#wrongSize('fewer')
    this.archive.endBody(this.storedBytes)
    return { date: '', in: this.kind, offset: this.#offset }
  }

  #wrongSize(how: string): BackupError {
    const { path } = this.item
    const message = `${printPath(path)} has ${how} bytes than the ${this.#sizeBytes} that its entry says`
    return new BackupError('IBT_FILE_CHANGED', message, { path })
  }
}

/**
 * A delta, in entries of `PART_BYTES`. The first is buffered until it is known whether there is a second: a delta that changes
 * nothing is not written, and an entry that is alone needs no number. Memory: one entry.
 */
export class DeltaWriter implements BodyWriter {
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #offset: number | undefined
  #parts = 0
  #sizeBytes = 0

  constructor(
    readonly archive: ArchiveWriter,
    readonly kind: ArchiveKind,
    readonly item: Signed,
    readonly body: Body
  ) {}

  get storedBytes(): number {
    return this.#sizeBytes
  }

  part(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length
    for (let rest = bytes; rest.length > 0; ) {
      if (this.#gatheredBytes === PART_BYTES) this.#writePart()
      const taken = rest.subarray(0, PART_BYTES - this.#gatheredBytes)
      this.#gathered.push(taken)
      this.#gatheredBytes += taken.length
      rest = rest.subarray(taken.length)
    }
  }

  end(): Place | undefined {
    if (this.#offset === undefined) {
      const summary = this.body.result()
      if (this.#sizeBytes === 0 || summary.error !== undefined || this.#isBasis(summary)) return undefined
      this.#offset = this.#write({ sizeBytes: summary.sizeBytes, sha256: summary.sha256 || undefined })
    } else this.#writePart()
    return { date: '', in: this.kind, offset: this.#offset, sizeBytes: this.#sizeBytes }
  }

  #isBasis(summary: Summary): boolean {
    const basis = basisOf(this.item)
    return basis !== undefined && isSameContent(summary, basis)
  }

  #writePart(): void {
    const offset = this.#write({ part: ++this.#parts })
    this.#offset ??= offset
  }

  /** Writes an entry of what was gathered. */
  #write(facts: { part?: number; sizeBytes?: number; sha256?: string | undefined }): number {
    const { item, archive } = this
    const sizeBytes = this.#gatheredBytes
    const comment = JSON.stringify({ basis: placesFor(item, basisOf(item))?.at(-1), ...facts })
    const path = facts.part === undefined ? item.path : `${item.path}/${String(facts.part).padStart(8, '0')}`
    const offset = archive.header(toTarHeader(item, { path, sizeBytes, comment }))
    for (const bytes of this.#gathered) archive.body(bytes)
    archive.endBody(sizeBytes)
    this.#gathered = []
    this.#gatheredBytes = 0
    return offset
  }
}

export function sizeUnknown({ path }: Entry): BackupError {
  return new BackupError('IBT_SIZE_UNKNOWN', `The size of ${printPath(path)} has to be known to store it whole`, {
    path
  })
}
