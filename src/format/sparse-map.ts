import { CHUNK_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import type { Extent } from '../types.js'
import { BLOCK_BYTES, padding } from './tar.js'

/** Extents of one map, at most. */
export const EXTENTS_MAX = 65_536

const NEWLINE = 0x0a
/** Digits of a number of 2^53. */
const DIGITS_MAX = 16

/**
 * The map that stands before the data of a sparse file: whole blocks of decimal lines, the number of extents, then offset
 * and size of each. A hole at the end is an empty extent there.
 * Source: GNU tar manual, "PAX Format, Version 1.0".
 */
export function encodeSparseMap(extents: readonly Extent[], sizeBytes: number): Buffer {
  const last = extents.at(-1)
  const hasEnd = last !== undefined && last.offset + last.sizeBytes === sizeBytes
  const all = hasEnd ? extents : [...extents, { offset: sizeBytes, sizeBytes: 0 }]
  const text = `${all.length}\n${all.map(({ offset, sizeBytes }) => `${offset}\n${sizeBytes}\n`).join('')}`
  return Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(padding(text.length))])
}

export interface SparseMap {
  readonly extents: readonly Extent[]
  /** Of the map itself, in whole blocks: the data follow. */
  readonly mapBytes: number
}

/**
 * Reads the map of a file of `sizeBytes`; undefined if it does not end within the bytes.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT for anything that is not a map, and for extents that are not in order within
 * the file.
 */
export function decodeSparseMap(bytes: Uint8Array, sizeBytes: number): SparseMap | undefined {
  let at = 0
  function next(): number | undefined {
    const end = bytes.indexOf(NEWLINE, at)
    const isCut = end < 0 && bytes.length - at <= DIGITS_MAX
    if (isCut) return undefined
    const text = Buffer.from(
      bytes.buffer,
      bytes.byteOffset + at,
      Math.min(end < 0 ? Infinity : end - at, DIGITS_MAX + 1)
    )
    const value = /^\d{1,16}$/.test(text.toString('latin1')) ? Number(text.toString('latin1')) : Number.NaN
    if (end < 0 || !Number.isSafeInteger(value)) throw corrupt(`has no number at byte ${at}`)
    at = end + 1
    return value
  }
  const count = next()
  if (count === undefined) return undefined
  if (count > EXTENTS_MAX + 1) throw corrupt(`has ${count} extents, at most ${EXTENTS_MAX} are allowed`)
  const numbers: number[] = []
  for (let i = 0; i < 2 * count; i++) {
    const number = next()
    if (number === undefined) return undefined
    numbers.push(number)
  }
  const extents = toExtents(numbers, sizeBytes)
  const mapBytes = Math.ceil(at / BLOCK_BYTES) * BLOCK_BYTES
  return mapBytes > bytes.length ? undefined : { extents, mapBytes }
}

/**
 * Offsets and sizes, in turn, as extents of a file of `sizeBytes`; empty ones are left out.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT for extents that are not in order within the file.
 */
export function toExtents(numbers: readonly number[], sizeBytes: number): Extent[] {
  const extents: Extent[] = []
  for (let i = 0, end = 0; i + 1 < numbers.length; i += 2) {
    const [offset, size] = [numbers[i]!, numbers[i + 1]!]
    if (!(offset >= end && size >= 0 && offset + size <= sizeBytes))
      throw corrupt(`has an extent at ${offset} that is out of place`)
    end = offset + size
    if (size > 0) extents.push({ offset, sizeBytes: size })
  }
  return extents
}

const holes = new WeakSet<ArrayBufferLike>()

/** Fresh zeros: what leaves the package belongs to whoever gets it. */
export function* zeros(sizeBytes: number): Generator<Uint8Array, void, undefined> {
  for (let left = sizeBytes; left > 0; left -= CHUNK_BYTES) {
    const chunk = Buffer.alloc(Math.min(left, CHUNK_BYTES))
    holes.add(chunk.buffer)
    yield chunk
  }
}

/** Whether a chunk that nobody has written to yet is of `zeros`. */
export function isHole({ buffer }: Uint8Array): boolean {
  return holes.has(buffer)
}

function corrupt(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `The map of a sparse file ${what}`)
}

const ZERO_BLOCK = Buffer.alloc(64 * 1024)

export function isZeros(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZERO_BLOCK.length) {
    const part = bytes.subarray(at, at + ZERO_BLOCK.length)
    if (
      Buffer.compare(part, part.length === ZERO_BLOCK.length ? ZERO_BLOCK : ZERO_BLOCK.subarray(0, part.length)) !== 0
    )
      return false
  }
  return true
}
