import { BackupError } from '../errors.js'

const ZERO = 0x30
const SPACE = 0x20

/** The largest number that a field of this length holds in octal, ended by NUL. */
export function octalMax(length: number): number {
  return 8 ** (length - 1) - 1
}

/** Writes a whole number: octal where it fits, else base-256 (GNU), in which negative numbers are two's complement. */
export function writeNumber(block: Uint8Array, at: number, length: number, value: number): void {
  if (value >= 0 && value <= octalMax(length)) writeOctal(block, at, length, value)
  else writeBase256(block, at, length, value)
}

export function writeOctal(block: Uint8Array, at: number, length: number, value: number): void {
  let i = at + length - 2
  // Bit operations are fast, but end at 31 bits.
  for (; value > 0x7fffffff; value = Math.floor(value / 8)) block[i--] = ZERO + (value % 8)
  for (; i >= at; value >>>= 3) block[i--] = ZERO + (value & 7)
  block[at + length - 1] = 0
}

function writeBase256(block: Uint8Array, at: number, length: number, value: number): void {
  let rest = value
  for (let i = at + length - 1; i > at; i--) {
    const next = Math.floor(rest / 256)
    block[i] = rest - next * 256
    rest = next
  }
  block[at] = value < 0 ? 0xff : 0x80
}

/** Reads an octal or base-256 number; an empty field is 0. @throws BackupError IBT_ARCHIVE_CORRUPT */
export function readNumber(block: Uint8Array, at: number, length: number, field: string): number {
  const value = block[at]! & 0x80 ? readBase256(block, at, length) : readOctal(block, at, length)
  if (Number.isSafeInteger(value)) return value
  const found = Buffer.from(block.subarray(at, at + length)).toString('latin1')
  throw new BackupError(
    'IBT_ARCHIVE_CORRUPT',
    `A tar header has ${JSON.stringify(found)} as its ${field}, which is no number`
  )
}

/** NaN if it is none. */
function readOctal(block: Uint8Array, at: number, length: number): number {
  const end = at + length
  while (at < end && block[at] === SPACE) at++
  let value = 0
  for (; at < end && block[at] !== 0 && block[at] !== SPACE; at++) {
    const digit = block[at]! - ZERO
    if (digit < 0 || digit > 7) return Number.NaN
    value = value * 8 + digit
  }
  return value
}

/** NaN if it is neither 0x80 and a positive nor 0xff and a negative number. */
function readBase256(block: Uint8Array, at: number, length: number): number {
  const first = block[at]
  if (first !== 0x80 && first !== 0xff) return Number.NaN
  let value = first === 0xff ? -1 : 0
  for (let i = at + 1; i < at + length; i++) value = value * 256 + block[i]!
  return value
}
