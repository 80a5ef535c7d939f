import { BackupError } from '../errors.js'
import { SHORT_FIELD } from './tar.js'

const ZERO = 0x30
const SPACE = 0x20

/** The largest numbers that fields of 8 and 12 bytes hold in octal, ended by NUL. */
export const SHORT_OCTAL_MAX = 0o7777777
export const LONG_OCTAL_MAX = 0o77777777777

/** Writes a whole number: octal where it fits, else base-256 (GNU), in which negative numbers are two's complement. */
export function writeNumber(block: Uint8Array, at: number, length: number, value: number): void {
  if (value >= 0 && value <= (length === SHORT_FIELD ? SHORT_OCTAL_MAX : LONG_OCTAL_MAX))
    writeOctal(block, at, length, value)
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

/** Writes digits, zeros in front. */
export function writeDecimal(bytes: Uint8Array, at: number, digits: number, value: number): void {
  for (let i = at + digits - 1; i >= at; i--) {
    const next = Math.floor(value / 10)
    bytes[i] = ZERO + (value - next * 10)
    value = next
  }
}

/** Writes text up to `max` bytes: its length, -1 if it is longer or not ASCII. */
export function writeAscii(bytes: Uint8Array, at: number, text: string, max: number): number {
  const { length } = text
  if (length > max) return -1
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return -1
    bytes[at + i] = code
  }
  return length
}

/** Reads an octal or base-256 number; an empty field is 0. @throws BackupError IBT_ARCHIVE_CORRUPT */
export function readNumber(block: Uint8Array, at: number, length: number, field: string): number {
  const value = parseNumber(block, at, length)
  if (Number.isSafeInteger(value)) return value
  const found = Buffer.from(block.subarray(at, at + length)).toString('latin1')
  throw new BackupError(
    'IBT_ARCHIVE_CORRUPT',
    `A tar header has ${JSON.stringify(found)} as its ${field}, which is not a number`
  )
}

/** As `readNumber`, but NaN for anything that is not a number, and a rounded number for one beyond 53 bits. */
export function parseNumber(block: Uint8Array, at: number, length: number): number {
  return block[at]! & 0x80 ? readBase256(block, at, length) : readOctal(block, at, length)
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
