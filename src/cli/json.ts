import { encodePath, isUtf8Path } from '../path.js'
import type { Failure } from './exit.js'

/** Fields that hold paths: bytes that are not UTF-8 go into a second field. */
const PATH_FIELDS = new Set(['path', 'linkname', 'uname', 'gname', 'root', 'destination'])

/** A value as one line of JSON: bigints as decimal strings, maps of bytes as base64, never a lone surrogate. */
export function toJsonLine(value: object): string {
  return `${JSON.stringify(plain(value))}\n`
}

/** The last line of a run that is not done. */
export function failedLine(found: Failure, exitCode: number): string {
  return toJsonLine({ event: 'failed', exitCode, ...found })
}

/** What `toJsonLine` writes, as a value. */
export function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'string') return value.toWellFormed()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([name, item]) => [String(name).toWellFormed(), plain(item)]))
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Error) return plainError(value)
  if (typeof value !== 'object' || value === null) return value
  const fields: [string, unknown][] = []
  for (const [name, item] of Object.entries(value)) {
    if (typeof item === 'string' && PATH_FIELDS.has(name) && !isUtf8Path(item)) {
      fields.push([name, plain(item)], [`${name}Base64`, encodePath(item).toString('base64')])
    } else if (typeof item !== 'function') fields.push([name, plain(item)])
  }
  return Object.fromEntries(fields)
}

function plainError(error: Error & { code?: unknown; path?: unknown }): unknown {
  const { code, path, message, cause } = error
  const system = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined
  return plain({ code, path, message, cause: system })
}
