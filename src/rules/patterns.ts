import { posix } from 'node:path'
import { encodePath } from '../path.js'

/** A pattern of gitignore(5) as a string of bytes: one character a byte. */
export interface Pattern {
  /** It began with `!`, which is not a part of the glob. */
  readonly negative: boolean
  readonly glob: string
}

/** An escaped path as a string of its bytes. @throws BackupError IBT_NAME_INVALID */
export function toByteString(path: string): string {
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) > 0x7f) return encodePath(path).toString('latin1')
  return path
}

const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf'

/** The patterns of an ignore file. Nothing in one is an error. Source: git's `add_patterns_from_buffer`. */
export function parseIgnoreFile(bytes: Uint8Array): Pattern[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const lines = (text.startsWith(BYTE_ORDER_MARK) ? text.slice(BYTE_ORDER_MARK.length) : text).split('\n')
  return lines
    .filter(line => !line.startsWith('#'))
    .map(trimLine)
    .filter(line => line !== '')
    .map(parsePattern)
}

/** One carriage return before the end of the line, what comes behind a NUL, and spaces that no backslash quotes go. */
function trimLine(line: string): string {
  const text = (line.endsWith('\r') ? line.slice(0, -1) : line).split('\0', 1)[0]!
  let end = text.length
  while (text[end - 1] === ' ') end--
  if (end === text.length) return text
  let backslashes = 0
  while (text[end - 1 - backslashes] === '\\') backslashes++
  return text.slice(0, end + (backslashes % 2))
}

/** A pattern by itself: `#` is not a comment and spaces count, as in git's `--exclude`. */
export function parsePattern(pattern: string): Pattern {
  const negative = pattern.startsWith('!')
  return { negative, glob: negative ? pattern.slice(1) : pattern }
}

/** A part of a path that no listed path has. */
const NO_PART = /(?:^|\/)\.{1,2}(?:\/|$)/

/**
 * A pattern that somebody typed: `./a` is anchored at the root, as `/a` is, and so is `a/.`.
 *
 * @throws RangeError for the root itself, and for what is outside of it: neither would leave out anything.
 */
export function parseTyped(text: string): Pattern {
  const { negative, glob } = parsePattern(text)
  if (!NO_PART.test(glob)) return { negative, glob }
  const path = posix.normalize(glob).replace(/^\//, '')
  if (path === '' || /^\.{1,2}(?:\/|$)/.test(path))
    throw new RangeError(`The pattern '${glob}' is the source itself, or outside it`)
  return { negative, glob: `/${path}` }
}

/** A literal path, and nothing else, as a glob. */
export function toGlob(path: string): string {
  return `/${path.replace(/[\\*?[]/g, '\\$&')}`
}

/**
 * Spells a pattern so that `ignore` reads it as git does: as one or, where it has no words for it, as two.
 * Left as `ignore` has it: a globstar beside a quoted slash (`**\/b`), which it does not take for one.
 */
export function spell({ negative, glob }: Pattern): string[] {
  const tail = glob.endsWith('/') ? '/' : ''
  const globs = spellGlobstars(glob.slice(0, glob.length - tail.length))
  return globs.map(text => (negative ? '!' : '') + quoteEnds(text + tail))
}

/**
 * Git cuts off the part of an anchored glob that has no wildcard before it matches, and so takes a run of asterisks
 * right behind that part for a globstar: `a**` + `/b` matches `ab` and `ax/y/b`. `ignore` takes it for a `*`.
 */
function spellGlobstars(glob: string): string[] {
  const parts = glob.includes('/') ? /^([^*?[\\]*[^*?[\\/])\*{2,}(?:\/(.*))?$/s.exec(glob) : null
  if (parts === null) return [glob]
  const prefix = parts[1]!.startsWith('/') ? parts[1]! : `/${parts[1]}`
  const rest = parts[2]?.replace(/^(?:\*{2,}\/)+/, '') ?? '**'
  return /^\*{2,}$/.test(rest) ? [`${prefix}*`, `${prefix}*/**`] : [prefix + rest, `${prefix}*/**/${rest}`]
}

/** Keeps `ignore` from reading a glob as a line: no comment, no sign, nothing to trim. */
function quoteEnds(glob: string): string {
  const start = glob.startsWith('#') || glob.startsWith('!') ? `\\${glob}` : glob
  if (!/[ \r\n]$/.test(start)) return start
  let end = start.length
  while (' \r\n'.includes(start[end - 1] ?? 'none')) end--
  let backslashes = 0
  while (start[end - 1 - backslashes] === '\\') backslashes++
  return start.slice(0, end - (backslashes % 2)) + start.slice(end).replace(/[ \r\n]/g, '[$&]')
}
