import type { Rate } from '../flow/rate.js'
import { parseRate } from '../flow/rate-text.js'
import { UsageError } from './exit.js'
import { parseSize } from './format.js'

/** For an option that may be repeated. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

export function parseCount(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= 256) return count
  throw new UsageError(`'${text}' is not a number of threads: give 1 to 256`)
}

export function parseQuorum(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text)
  throw new UsageError(`'${text}' is not a number of stores`)
}

export function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (text.trim() !== '' && Number.isFinite(seconds) && seconds >= 0) return seconds
  throw new UsageError(`'${text}' is not a number of seconds`)
}

export function parseLimit(text: string): Rate {
  try {
    return parseRate(text)
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

export function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new UsageError(`'${text}' is not a port`)
}

export function parseChain(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`'${text}' is not a number of incrementals`)
}

export function parseRatio(text: string): number {
  const ratio = Number(text)
  if (text.trim() !== '' && Number.isFinite(ratio) && ratio >= 1) return ratio
  throw new UsageError(`'${text}' is not a ratio: give a number from 1 on`)
}

export function parseSort(text: string): 'spool' {
  if (text === 'spool') return text
  throw new UsageError(`'${text}' is not a way to sort: spool is the only one`)
}

export function parseParts(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new UsageError(`'${text}' is not a number of leading parts`)
}

/** A size that something is cut into. */
export function parsePieceBytes(text: string): number {
  const bytes = parseBytes(text)
  if (bytes === 0) throw new UsageError(`'${text}' is no size to cut at: give bytes, or 500K, 20M, 2G`)
  return bytes
}

export function parseBytes(text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined) throw new UsageError(`'${text}' is not a size: give bytes, or 500K, 20M, 2G`)
  return bytes
}

/** @throws UsageError */
export function parseEntries(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`'${text}' is not a number of entries`)
}
