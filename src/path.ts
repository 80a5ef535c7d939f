import { BackupError } from './errors.js'

/** The path of a tree's root. It sorts before every other path. */
export const ROOT_PATH = '.'

const SLASH = 0x2f
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes the bytes of a path, of a part of one or of a link target.
 * Bytes that are not UTF-8 become surrogate escapes: 0xNN is U+DCNN. `encodePath` turns them back.
 */
export function decodePath(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    return decodeEscaped(bytes)
  }
}

function decodeEscaped(bytes: Uint8Array): string {
  let text = ''
  let at = 0
  while (at < bytes.length) {
    const length = validSequence(bytes, at)
    if (length === 0) {
      text += String.fromCharCode(0xdc00 | bytes[at]!)
      at += 1
    } else {
      text += decoder.decode(bytes.subarray(at, at + length))
      at += length
    }
  }
  return text
}

/** Length of the UTF-8 sequence at `at` (RFC 3629), 0 if there is none. */
function validSequence(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return 1
  const length =
    first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0
  if (length === 0 || at + length > bytes.length) return 0
  for (let i = 1; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0
  const second = bytes[at + 1]!
  const tooLong = (first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90)
  const notACharacter = (first === 0xed && second > 0x9f) || (first === 0xf4 && second > 0x8f)
  return tooLong || notACharacter ? 0 : length
}

/** The bytes of a path. @throws BackupError IBT_NAME_INVALID for a lone surrogate that stands for no byte. */
export function encodePath(path: string): Buffer {
  if (path.isWellFormed()) return Buffer.from(path, 'utf8')
  const bytes: number[] = []
  for (const character of path) {
    const code = character.codePointAt(0)!
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code & 0xff)
    else if (code >= 0xd800 && code <= 0xdfff) {
      throw new BackupError(
        'IBT_NAME_INVALID',
        `Path ${printPath(path)} holds a lone surrogate, which stands for no byte`,
        { path }
      )
    } else bytes.push(...Buffer.from(character, 'utf8'))
  }
  return Buffer.from(bytes)
}

/** Whether the bytes of the path are UTF-8, so that a JSON string can hold it. */
export function isUtf8Path(path: string): boolean {
  return path.isWellFormed()
}

/**
 * Path order: bytewise on the raw bytes, '/' below every other byte, the root first.
 * A directory comes directly before all that it contains.
 * Source: DESIGN of this package; JavaScript's own order of strings differs beyond U+FFFF.
 */
export function comparePaths(a: string, b: string): number {
  if (a === b) return 0
  if (a === ROOT_PATH) return -1
  if (b === ROOT_PATH) return 1
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    if (x === SLASH) return -1
    if (y === SLASH) return 1
    if (isSurrogate(x) || isSurrogate(y)) return compareBytes(a, b, i)
    return x - y
  }
  return a.length - b.length
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff
}

/** UTF-16 order is not byte order where a surrogate takes part: compares the bytes from there on. */
function compareBytes(a: string, b: string, from: number): number {
  const start = from > 0 && isHighSurrogate(a.charCodeAt(from - 1)) ? from - 1 : from
  const x = encodePath(a.slice(start))
  const y = encodePath(b.slice(start))
  const length = Math.min(x.length, y.length)
  for (let i = 0; i < length; i++) {
    if (x[i] === y[i]) continue
    if (x[i] === SLASH) return -1
    if (y[i] === SLASH) return 1
    return x[i]! - y[i]!
  }
  return x.length - y.length
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}

/** Whether `path` lies below `directory`, at any depth. */
export function isBelow(path: string, directory: string): boolean {
  if (directory === ROOT_PATH) return path !== ROOT_PATH
  return path.length > directory.length && path.charCodeAt(directory.length) === SLASH && path.startsWith(directory)
}

/** The directory that holds the entry; the root for an entry of the root. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? ROOT_PATH : path.slice(0, slash)
}

/** The name of an entry in its directory. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The path of an entry by its name in a directory. */
export function joinPath(directory: string, name: string): string {
  return directory === ROOT_PATH ? name : `${directory}/${name}`
}

/** A part that is empty, '.' or '..'. */
const UNSAFE_PART = /(?:^|\/)\.{0,2}(?:\/|$)/

/** Refuses what no backup may hold: absolute paths, '.', '..' or empty parts, NUL. @throws BackupError IBT_UNSAFE_PATH */
export function checkPath(path: string): void {
  if (typeof path !== 'string') throw new BackupError('IBT_UNSAFE_PATH', `A path is text, not ${typeof path}`)
  if (path === ROOT_PATH) return
  if (UNSAFE_PART.test(path) || path.includes('\0')) {
    throw new BackupError(
      'IBT_UNSAFE_PATH',
      `Path ${printPath(path)} is absolute, empty, or has an empty, '.' or '..' part`,
      { path }
    )
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f"\\\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu

/** A path for people and logs: quoted where it holds what a terminal would act on; bytes that are not UTF-8 as \xNN. */
export function printPath(path: string): string {
  if (path.search(UNPRINTABLE) < 0) return path
  return `"${path.replace(UNPRINTABLE, escapeCharacter)}"`
}

/** A text of the system's that may hold a path, for people and logs: without what a terminal would act on. */
export function printText(text: string): string {
  return text.replace(UNPRINTABLE, character => (/["\\]/.test(character) ? character : escapeCharacter(character)))
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0)
  if (character === '"' || character === '\\') return `\\${character}`
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code & 0xff).toString(16)}`
  if (code === 0x0a) return '\\n'
  if (code === 0x09) return '\\t'
  if (code === 0x0d) return '\\r'
  return `\\u${code.toString(16).padStart(4, '0')}`
}
