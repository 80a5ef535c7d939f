import { parseHours } from './hours.js'
import type { RateByHours } from './rate.js'

const SIZE = /^(\d+(?:\.\d+)?)\s*([kmg]?)(i?)(?:b(?:\/s)?)?$/i
const POWERS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3 }

/**
 * Reads a rate as people write it: `2M`, `500 kB/s`, `1.5 MiB/s`, `unlimited`, also by hours of the local day:
 * `22:00-06:00 unlimited, else 2 MB/s`. k, M and G are powers of 1000; Ki, Mi and Gi of 1024.
 *
 * @throws RangeError
 */
export function parseRate(text: string): RateByHours {
  const parts = text.split(',').map(part => part.trim())
  const last = parts.pop()!
  const hours: Record<string, number> = {}
  for (const part of parts) {
    const [span = '', ...rate] = part.split(/\s+/)
    parseHours(span)
    hours[span] = parseBytesPerSecond(rate.join(' '))
  }
  const bytesPerSecond = parseBytesPerSecond(parts.length === 0 ? last : last.replace(/^else\s+/, ''))
  return parts.length === 0 ? { bytesPerSecond } : { bytesPerSecond, hours }
}

function parseBytesPerSecond(text: string): number {
  if (/^unlimited$/i.test(text)) return Infinity
  const match = SIZE.exec(text)
  const rate = match === null ? 0 : Number(match[1]) * (match[3] ? 1024 : 1000) ** POWERS[match[2]!.toLowerCase()]!
  if (rate > 0) return rate
  throw new RangeError(`Not a rate as in 2M, 500 kB/s or 22:00-06:00 unlimited, else 2M: ${JSON.stringify(text)}`)
}
