import { BackupError } from '../errors.js'

const SPACE = 0x20
const EQUALS = 0x3d
const NEWLINE = 0x0a
/** Digits of the length of a record, at most: more than any records may have. */
const LENGTH_DIGITS = 8
const NS_PER_SECOND = 1_000_000_000n

/**
 * One PAX record: `LENGTH KEY=VALUE\n`, the length being its own, too. Here and in the result a character is a byte.
 * Source: POSIX.1-2017 pax.
 */
export function encodeRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3
  let length = rest + String(rest).length
  length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

/**
 * Reads PAX records: keys as text, values as views of the bytes. Later ones win.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT for a record that is cut, or whose length is wrong.
 */
export function decodeRecords(bytes: Uint8Array): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>()
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(SPACE, at)
    const length = readLength(bytes, at, space)
    const end = at + length
    if (Number.isNaN(length) || end > bytes.length || end <= space + 1)
      throw badRecord(`at byte ${at} has a wrong length`)
    if (bytes[end - 1] !== NEWLINE) throw badRecord(`at byte ${at} does not end where its length says`)
    const equals = bytes.indexOf(EQUALS, space)
    if (equals <= space + 1 || equals >= end) throw badRecord(`at byte ${at} has no key`)
    const key = Buffer.from(bytes.buffer, bytes.byteOffset + space + 1, equals - space - 1)
    if (key.includes(0)) throw badRecord(`at byte ${at} has a NUL in its key`)
    // Keys of extended attributes hold any bytes: text is one character a byte.
    records.set(key.toString('latin1'), bytes.subarray(equals + 1, end - 1))
    at = end
  }
  return records
}

/** NaN if it is not a number. */
function readLength(bytes: Uint8Array, at: number, end: number): number {
  if (end <= at || end - at > LENGTH_DIGITS) return Number.NaN
  let value = 0
  for (let i = at; i < end; i++) {
    const digit = bytes[i]! - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

/** Seconds with nine decimals, the sign before both. */
export function encodeTime(ns: bigint): string {
  const sign = ns < 0n ? '-' : ''
  const positive = ns < 0n ? -ns : ns
  const rest = positive % NS_PER_SECOND
  const seconds = `${sign}${positive / NS_PER_SECOND}`
  return rest === 0n ? seconds : `${seconds}.${String(rest).padStart(9, '0')}`
}

export function badRecord(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `A PAX record ${what}`)
}
