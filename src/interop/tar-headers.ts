import { BackupError } from '../errors.js'
import type { ByteReader } from '../format/byte-reader.js'
import { Records } from '../format/pax-values.js'
import { toExtents } from '../format/sparse-map.js'
import { BLOCK_BYTES, Field, LONG_FIELD, padding, type TarHeader } from '../format/tar.js'
import { addExtension, checkSum, isEndBlock, recordsSize } from '../format/tar-decode.js'
import type { Extensions } from '../format/tar-decode-header.js'
import { readNumber } from '../format/tar-fields.js'
import { printPath } from '../path.js'
import type { Extent } from '../types.js'
import { type ForeignFacts, toForeignFacts } from './tar-foreign.js'
import type { TarNameOptions } from './tar-names.js'

/** An entry of a tar of any tool, in front of its body. */
export interface ForeignHeader extends ForeignFacts {
  /** Where a sparse file of an old form holds data; that of form 1.0 says it in its body. */
  readonly extents: readonly Extent[] | undefined
}

/** An extended header for all entries that follow, and one of Solaris. */
const PAX_FLAGS = 'xgX'
const VOLUME_LABEL = 'V'
const OLD_SPARSE = 'S'

/** An old sparse header holds four extents, and each block behind it 21; a flag says that one more block follows. */
const OLD_MAP = { at: 386, extents: 4, flagAt: 482, sizeAt: 483 }
const OLD_MAP_BLOCK = { at: 0, extents: 21, flagAt: 504 }
const EXTENT_BYTES = 2 * LONG_FIELD
/** Extents of an old map or of a record, at most: those of a block device of 16 TiB in pieces of 16 MiB. */
const EXTENTS_MAX = 1_048_576

type Pax = ReadonlyMap<string, Uint8Array>

/**
 * Reads header after header, with what stands before and belongs to one: PAX and GNU records, global ones, and the maps
 * of sparse files. Source: POSIX.1-2017 pax; GNU tar manual, "Basic Tar Format" and "Storing Sparse Files".
 */
export class HeaderReader {
  readonly #bytes: ByteReader
  #globals: Pax = new Map()

  constructor(
    bytes: ByteReader,
    readonly names: TarNameOptions
  ) {
    this.#bytes = bytes
  }

  /** The next entry; undefined at the closing zeros. @throws BackupError IBT_ARCHIVE_TRUNCATED and as `fromTar` */
  async next(): Promise<ForeignHeader | undefined> {
    const extensions: Extensions = {}
    for (;;) {
      const block = await this.#block()
      if (isEndBlock(block)) return undefined
      checkSum(block)
      const flag = String.fromCharCode(block[Field.type]!)
      if (flag === 'L' || flag === 'K' || PAX_FLAGS.includes(flag)) await this.#addRecords(extensions, flag, block)
      else if (flag !== VOLUME_LABEL) return this.#toForeign(block, flag, extensions)
    }
  }

  async #block(): Promise<Uint8Array> {
    const block = await this.#bytes.take(BLOCK_BYTES)
    if (block.length < BLOCK_BYTES) throw truncated()
    return block
  }

  async #addRecords(extensions: Extensions, flag: string, block: Uint8Array): Promise<void> {
    const sizeBytes = recordsSize(block)
    const whole = sizeBytes + padding(sizeBytes)
    const body = await this.#bytes.take(whole)
    if (body.length < whole) throw truncated()
    const records = body.subarray(0, sizeBytes)
    if (flag === 'L' || flag === 'K') return addExtension(extensions, flag, records)
    const found: Extensions = {}
    addExtension(found, 'x', records)
    if (flag === 'g') this.#globals = new Map([...this.#globals, ...found.records!])
    else extensions.records = found.records!
  }

  async #toForeign(block: Uint8Array, flag: string, extensions: Extensions): Promise<ForeignHeader> {
    const records = new Map([...this.#globals, ...(extensions.records ?? [])])
    const facts = toForeignFacts(block, flag, { ...extensions, records }, this.names)
    const acls = [...records.keys()].filter(key => key.startsWith('SCHILY.acl.'))
    const losses = [...facts.losses, ...acls.map(key => `its ACL ${key} is text`)]
    const { path } = facts.header
    const sparse = flag === OLD_SPARSE ? await this.#oldSparse(block, path) : toSparse(records, facts.header)
    return { ...facts, header: { ...facts.header, ...sparse?.size }, extents: sparse?.extents, losses }
  }

  async #oldSparse(block: Uint8Array, path: string): Promise<Sparse> {
    const sparseSizeBytes = readNumber(block, OLD_MAP.sizeAt, LONG_FIELD, 'size')
    const numbers = mapNumbers(block, OLD_MAP.at, OLD_MAP.extents)
    let isMore = block[OLD_MAP.flagAt] !== 0
    while (isMore) {
      const more = await this.#block()
      numbers.push(...mapNumbers(more, OLD_MAP_BLOCK.at, OLD_MAP_BLOCK.extents))
      isMore = more[OLD_MAP_BLOCK.flagAt] !== 0
      checkCount(numbers, path)
    }
    return { size: { sparseSizeBytes }, extents: toExtents(numbers, sparseSizeBytes) }
  }
}

interface Sparse {
  readonly size: { readonly sparseSizeBytes: number } | undefined
  readonly extents: readonly Extent[] | undefined
}

/** An empty extent ends the map, unless it stands for a hole at the end. */
function mapNumbers(block: Uint8Array, start: number, count: number): number[] {
  const numbers: number[] = []
  for (let at = start; at < start + count * EXTENT_BYTES && block[at] !== 0; at += EXTENT_BYTES) {
    numbers.push(readNumber(block, at, LONG_FIELD, 'offset'), readNumber(block, at + LONG_FIELD, LONG_FIELD, 'size'))
  }
  return numbers
}

/** A sparse file whose records say its form. Form 0.1 has its map in a record; that of 0.0 is in repeated ones. */
function toSparse(pax: Pax, { path, sparseSizeBytes }: TarHeader): Sparse | undefined {
  const records = new Records(pax)
  if (!records.isSparse || records.isSparse1) return undefined
  const map = records.text('GNU.sparse.map')
  if (map === undefined || sparseSizeBytes === undefined) {
    const message = `${printPath(path)} in the tar is a sparse file of a form that is not supported`
    throw new BackupError('IBT_UNSUPPORTED_TYPE', message, { path })
  }
  const numbers = map.split(',').map(text => (/^\d{1,16}$/.test(text) ? Number(text) : Number.NaN))
  checkCount(numbers, path)
  return { size: undefined, extents: toExtents(numbers, sparseSizeBytes) }
}

function checkCount(numbers: readonly number[], path: string): void {
  if (numbers.length <= 2 * EXTENTS_MAX) return
  const message = `${printPath(path)} in the tar is a sparse file of more than ${EXTENTS_MAX} extents`
  throw new BackupError('IBT_UNSUPPORTED_TYPE', message, { path })
}

export function truncated(path?: string): BackupError {
  const where = path === undefined ? 'before its closing zero blocks' : `in the content of ${printPath(path)}`
  return new BackupError('IBT_ARCHIVE_TRUNCATED', `The tar ends ${where}`, { path })
}
