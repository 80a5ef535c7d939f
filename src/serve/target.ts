import { decodePath, encodePath, ROOT_PATH } from '../path.js'
import { nothing } from './answer.js'

/** What the path of a URL names. */
export type Target =
  | { readonly route: 'keys' }
  | { readonly route: 'dates'; readonly key: string }
  | { readonly route: 'tree'; readonly key: string; readonly at: string; readonly path: string }
  | { readonly route: 'artifacts' }
  | { readonly route: 'artifact'; readonly name: string }

/** No key has this name. */
export const RAW = '~store'

/** A path and its query. */
export interface Parsed {
  readonly target: Target
  readonly query: URLSearchParams
  /** The path ends in a slash: links on the page lead to below. */
  readonly isDirectory: boolean
}

/**
 * Takes a URL apart, as it came: nothing is normalized before, so that no `..` disappears. Parts are bytes; a part that is
 * empty, `.` or `..`, or has a slash or a NUL in it, names nothing.
 *
 * @throws HttpError 404
 */
export function parseTarget(url: string): Parsed {
  const [, pathname = '', search = ''] = /^([^?#]*)(?:\?([^#]*))?/.exec(url) ?? []
  if (!pathname.startsWith('/')) throw nothing('such path')
  const isDirectory = pathname.endsWith('/')
  const parts = pathname.slice(1, isDirectory && pathname.length > 1 ? -1 : undefined)
  const names = parts === '' ? [] : parts.split('/').map(decodePart)
  return { target: toTarget(names), query: new URLSearchParams(search), isDirectory }
}

function toTarget([first, second, ...rest]: readonly string[]): Target {
  if (first === undefined) return { route: 'keys' }
  if (first === RAW) {
    if (second === undefined) return { route: 'artifacts' }
    if (rest.length > 0) throw nothing('such artifact')
    return { route: 'artifact', name: second }
  }
  if (second === undefined) return { route: 'dates', key: first }
  return { route: 'tree', key: first, at: second, path: rest.length === 0 ? ROOT_PATH : rest.join('/') }
}

function decodePart(part: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(part)) throw nothing('such path')
  const bytes = Buffer.from(
    part
      .replace(/%([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
      .replace(/[^\0-\xff]/g, character => Buffer.from(character, 'utf8').toString('latin1')),
    'latin1'
  )
  const name = decodePath(bytes)
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) throw nothing('such path')
  return name
}

/** A name as one part of a URL: every byte but the plainest escaped. */
export function encodePart(name: string): string {
  return Array.from(encodePath(name), byte => {
    const character = String.fromCharCode(byte)
    return /[A-Za-z0-9_~-]/.test(character) || (character === '.' && name !== '.' && name !== '..')
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}
