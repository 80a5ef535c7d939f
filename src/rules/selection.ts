import { ROOT_PATH } from '../path.js'
import type { EntryType } from '../types.js'
import { Matcher, type Pattern, parsePattern, toByteString, toGlob } from './patterns.js'

/** Which entries a restore wants. */
export interface Selection {
  /** Whether the entry, or a directory that holds it, is wanted. */
  selects(path: string, type: EntryType): boolean
}

/**
 * A selection by patterns as in gitignore(5), relative to the root, or by paths.
 *
 * A pattern selects what it matches with all that lies below it; one that starts with `!` takes that back; the last one
 * that matches an entry, or a directory above it, decides. If the first takes back, all is selected to begin with.
 * A path selects itself and all below, also where it could be read as a pattern; `.` is the whole tree.
 * A path as reports print it, quoted and with escapes (`"caf\xe9"`), is that path and no pattern.
 * Memory: the patterns.
 *
 * @throws TypeError for anything but strings, RangeError for an empty one.
 * @throws BackupError IBT_NAME_INVALID for a string that no bytes stand for.
 */
export function createSelection(patterns: readonly string[]): Selection {
  if (!Array.isArray(patterns) || !patterns.every(pattern => typeof pattern === 'string')) {
    throw new TypeError('createSelection: a list of strings is expected')
  }
  const parsed = patterns.flatMap(parse)
  const groups = groupPatterns(parsed).reverse()
  const selectsAll = parsed[0]?.negative === true
  const select = (path: string, isDirectory: boolean): boolean => {
    const group = groups.find(({ matcher }) => covers(matcher, path, isDirectory))
    return group === undefined ? selectsAll : !group.negative
  }
  const selectsRoot = selectsAll || parsed.some(({ negative, glob }) => !negative && glob === EVERYTHING)
  return {
    selects(path, type) {
      if (path === ROOT_PATH) return selectsRoot
      const bytes = toByteString(path)
      return select(bytes, type === 'directory') || (type === 'unreadable' && select(bytes, true))
    }
  }
}

/** Consecutive patterns of one sign: which of them matches makes no difference. */
interface PatternGroup {
  readonly negative: boolean
  readonly matcher: Matcher
}

function groupPatterns(patterns: readonly Pattern[]): PatternGroup[] {
  const groups: { negative: boolean; globs: Pattern[] }[] = []
  for (const { negative, glob } of patterns) {
    if (groups.at(-1)?.negative !== negative) groups.push({ negative, globs: [] })
    groups.at(-1)!.globs.push({ negative: false, glob })
  }
  return groups.map(({ negative, globs }) => ({ negative, matcher: new Matcher(globs) }))
}

/** Whether the path or a directory above it is matched. */
function covers(matcher: Matcher, path: string, isDirectory: boolean): boolean {
  for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
    if (matcher.match(path.slice(0, end), true)) return true
  }
  return matcher.match(path, isDirectory) === true
}

const EVERYTHING = '**'

/** A text is a pattern, and the path that it spells too. */
function parse(text: string): Pattern[] {
  const { negative, glob } = parsePattern(text)
  const printed = /^"(.*)"$/s.exec(glob)
  const path = printed === null ? glob : printed[1]!.replace(ESCAPE, (_, sequence: string) => decodeEscape(sequence))
  const clean = path.replace(/^(?:\.?\/)+(?=.)/, match => (match === '/' ? match : '/'))
  if (clean === '') throw new RangeError('createSelection: a pattern is empty')
  if (clean === '.' || clean === '/' || clean === './') return [{ negative, glob: EVERYTHING }]
  const bytes = toByteString(clean)
  const literal = { negative, glob: toGlob(bytes.replace(/^\//, '')) }
  if (printed !== null) return [literal]
  return /[\\*?[]/.test(bytes) ? [literal, { negative, glob: bytes }] : [{ negative, glob: bytes }]
}

const ESCAPE = /\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)/gis

/** Undoes what `printPath` does. */
function decodeEscape(sequence: string): string {
  const code = Number.parseInt(sequence.slice(1), 16)
  if (sequence.length === 3) return String.fromCharCode(code < 0x80 ? code : 0xdc00 | code)
  if (sequence.length === 5) return String.fromCharCode(code)
  return { n: '\n', t: '\t', r: '\r' }[sequence] ?? sequence
}
