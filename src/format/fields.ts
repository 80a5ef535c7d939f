import { BackupError } from '../errors.js'
import { decodePath, printPath } from '../path.js'

const SHA256 = /^[0-9a-f]{64}$/
/** Characters of a line that a message shows. */
const SHOWN = 60

/** The fields of a JSON object of foreign origin: each getter checks type and range, or throws IBT_STATE_INVALID. */
export class Fields {
  readonly #record: Readonly<Record<string, unknown>>

  constructor(
    value: unknown,
    readonly line: string,
    readonly name = 'this'
  ) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw invalid(line, `${name} to be an object`)
    this.#record = value as Record<string, unknown>
  }

  has(name: string): boolean {
    return this.#record[name] !== undefined
  }

  integer(name: string, max: number): number {
    const value = this.#record[name]
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) return value as number
    throw this.expected(name, `a whole number up to ${max}`)
  }

  optionalInteger(name: string, max: number): number | undefined {
    return this.#record[name] === undefined ? undefined : this.integer(name, max)
  }

  /** A whole number of this many bits as decimal text. */
  bigint(name: string, bits: { readonly signed: number } | { readonly unsigned: number }): bigint {
    const value = this.#record[name]
    if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) {
      const number = BigInt(value)
      const wrapped = 'signed' in bits ? BigInt.asIntN(bits.signed, number) : BigInt.asUintN(bits.unsigned, number)
      if (wrapped === number) return number
    }
    throw this.expected(name, 'a whole number of 64 bits as text')
  }

  text(name: string): string {
    const value = this.#record[name]
    if (typeof value === 'string') return value
    throw this.expected(name, 'text')
  }

  optionalText(name: string): string | undefined {
    return this.#record[name] === undefined ? undefined : this.text(name)
  }

  /** Text, or bytes in the base64 field beside it, escaped. */
  bytesText(name: string): string {
    const text = this.text(name)
    const base64 = `${name}Base64`
    const value = this.#record[base64] === undefined ? text : decodePath(this.base64(base64))
    if (value.includes('\0') || (value === text && !text.isWellFormed()))
      throw this.expected(name, 'text without NUL and lone surrogates')
    return value
  }

  optionalBytesText(name: string): string | undefined {
    return this.#record[name] === undefined ? undefined : this.bytesText(name)
  }

  base64(name: string): Uint8Array {
    const text = this.text(name)
    const bytes = Buffer.from(text, 'base64')
    if (bytes.toString('base64') === text) return bytes
    throw this.expected(name, 'base64')
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T {
    const value = this.#record[name] as T
    if (values.includes(value)) return value
    throw this.expected(name, `one of ${values.join(', ')}`)
  }

  sha256(name: string): string {
    const value = this.#record[name]
    if (typeof value === 'string' && SHA256.test(value)) return value
    throw this.expected(name, '64 hexadecimal digits')
  }

  flag(name: string): true | undefined {
    const value = this.#record[name]
    if (value === undefined || value === false) return undefined
    if (value === true) return true
    throw this.expected(name, 'true or nothing')
  }

  object(name: string): Fields {
    return new Fields(this.#record[name], this.line, name)
  }

  list(name: string): readonly unknown[] {
    const value = this.#record[name]
    if (Array.isArray(value)) return value
    throw this.expected(name, 'a list')
  }

  names(): readonly string[] {
    return Object.keys(this.#record)
  }

  /** All fields, as they are. */
  all(): Readonly<Record<string, unknown>> {
    return this.#record
  }

  expected(name: string, what: string): BackupError {
    const found = JSON.stringify(this.#record[name]) ?? 'nothing'
    return invalid(this.line, `${name} to be ${what}, found ${shorten(found)}`)
  }
}

/** Parses one line. @throws BackupError IBT_STATE_INVALID */
export function parseLine(json: string, line: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw invalid(line, 'JSON', cause)
  }
  return new Fields(value, line)
}

export function invalid(line: string, what: string, cause?: unknown): BackupError {
  return new BackupError('IBT_STATE_INVALID', `State line ${shorten(line)}: expected ${what}`, { cause })
}

function shorten(text: string): string {
  return printPath(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
}
