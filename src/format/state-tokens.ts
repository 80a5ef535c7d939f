import { ROOT_PATH } from '../path.js'
import { Window } from './state-lines.js'

export const QUOTE = 0x22
const BACKSLASH = 0x5c
export const SLASH = 0x2f
export const DOT = 0x2e
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39
const SPACE = 0x20
const SHA256_DIGITS = 64
/** Digits of a number that is a safe integer whatever they are. */
const SAFE_DIGITS = 15
/** Digits of a number of 64 bits, unless the first is a nine. */
const BIGINT_DIGITS = 19
const LOW_DIGITS = 9
const BILLION = 1_000_000_000

const whole = new BigInt64Array(1)
const halves = new Uint32Array(whole.buffer)
const LOW_HALF = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1

/** By byte: whether it is none of the digits of a digest. A table costs half as much as comparisons. */
const NOT_HEX = Uint8Array.from({ length: 256 }, (_, byte) => (/[0-9a-f]/.test(String.fromCharCode(byte)) ? 0 : 1))

/** A word, and its bytes with the quote behind it. */
export interface Choice<T extends string> {
  readonly value: T
  readonly bytes: Uint8Array
}

export function choice<T extends string>(value: T): Choice<T> {
  return { value, bytes: bytesOf(`${value}"`) }
}

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

/**
 * The parts of a line of a state, one after the other, as long as they are written in the one way in which
 * `encodeStateEntry` writes them. After any other `isCanonical` is false, and what was read means nothing.
 */
export class StateTokens {
  bytes: Uint8Array = new Uint8Array(0)
  at = 0
  isCanonical = true
  window = new Window(Buffer.alloc(0))

  begin(window: Window, at: number): void {
    this.window = window
    this.bytes = window.bytes
    this.at = at
    this.isCanonical = true
  }

  /** Whether the literal is next; if so, goes behind it. */
  has(literal: Uint8Array): boolean {
    const bytes = this.bytes
    const at = this.at
    for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false
    this.at = at + literal.length
    return true
  }

  expect(literal: Uint8Array): void {
    if (!this.has(literal)) this.isCanonical = false
  }

  refuse<T>(value: T): T {
    this.isCanonical = false
    return value
  }

  oneOf<T extends string>(choices: readonly Choice<T>[]): T {
    for (const { value, bytes } of choices) if (this.has(bytes)) return value
    return this.refuse(choices[0]!.value)
  }

  integer(max: number): number {
    const bytes = this.bytes
    const start = this.at
    let at = start
    let value = 0
    for (let byte = bytes[at]!; byte >= ZERO && byte <= NINE; byte = bytes[++at]!) value = value * 10 + byte - ZERO
    this.at = at
    const digits = at - start
    const isPlain = digits > 0 && digits <= SAFE_DIGITS && (bytes[start] !== ZERO || digits === 1) && value <= max
    return isPlain ? value : this.refuse(0)
  }

  /** A whole number of 64 bits, up to its quote. */
  bigint(): bigint {
    const bytes = this.bytes
    const isNegative = bytes[this.at] === MINUS
    const start = isNegative ? this.at + 1 : this.at
    let end = start
    while (bytes[end]! >= ZERO && bytes[end]! <= NINE) end++
    this.at = end + 1
    const digits = end - start
    const fits = digits > 0 && (digits < BIGINT_DIGITS || (digits === BIGINT_DIGITS && bytes[start]! < NINE))
    if (!fits || bytes[end] !== QUOTE) return this.refuse(0n)
    const border = Math.max(start, end - LOW_DIGITS)
    const value = joinBigint(digitsOf(bytes, start, border), digitsOf(bytes, border, end))
    return isNegative ? -value : value
  }

  sha256(): string {
    const bytes = this.bytes
    const start = this.at
    const end = start + SHA256_DIGITS
    this.at = end + 1
    let others = 0
    for (let i = start; i < end; i++) others |= NOT_HEX[bytes[i]!]!
    if (others !== 0 || bytes[end] !== QUOTE) return this.refuse('')
    return this.window.text.slice(start, end)
  }

  /** Text without escapes, up to its quote. */
  string(): string {
    const bytes = this.bytes
    const start = this.at
    let at = start
    let all = 0
    for (let byte = bytes[at]!; byte !== QUOTE; byte = bytes[++at]!) {
      if (!(byte >= SPACE) || byte === BACKSLASH) return this.refuse('')
      all |= byte
    }
    return this.#text(start, at, all)
  }

  /** As `string`, but that no part is empty, '.' or '..'. */
  path(): string {
    const bytes = this.bytes
    const start = this.at
    let at = start
    let part = start
    let all = 0
    for (let byte = bytes[at]!; ; byte = bytes[++at]!) {
      if (byte === SLASH || byte === QUOTE) {
        if (isDots(bytes, part, at)) return this.#pathOfRoot(start, at)
        if (byte === QUOTE) return this.#text(start, at, all)
        part = at + 1
      }
      if (!(byte >= SPACE) || byte === BACKSLASH) return this.refuse('')
      all |= byte
    }
  }

  /** The only path with such a part. */
  #pathOfRoot(start: number, end: number): string {
    const isRoot = end === start + 1 && this.bytes[end] === QUOTE && this.bytes[start] === DOT
    this.at = end + 1
    return isRoot ? ROOT_PATH : this.refuse('')
  }

  #text(start: number, end: number, all: number): string {
    this.at = end + 1
    const { bytes, text } = this.window
    return all < 0x80 ? text.slice(start, end) : bytes.toString('utf8', start, end)
  }
}

/** Whether a part of a path is empty, '.' or '..'. */
function isDots(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  return length === 0 || (length <= 2 && bytes[start] === DOT && bytes[end - 1] === DOT)
}

function digitsOf(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) value = value * 10 + bytes[at]! - ZERO
  return value
}

/** high * 1e9 + low, put together from halves of 32 bits: half the time of arithmetic on bigints. */
function joinBigint(high: number, low: number): bigint {
  const lowHalf = (Math.imul(high | 0, BILLION) + low) >>> 0
  halves[LOW_HALF] = lowHalf
  // The quotient is whole but for what a double of the product lacks, which is far below one half.
  halves[1 - LOW_HALF] = Math.round((high * BILLION + low - lowHalf) / 2 ** 32)
  return whole[0]!
}
