import { decodePath, encodePath, ROOT_PATH } from '../path.js'
import { type Pattern, parsePattern, toByteString, toGlob } from './patterns.js'

/** What was asked for; of the groups the last one that matches decides. */
export interface ParsedSelection {
  readonly groups: readonly PatternGroup[]
  readonly selectsRoot: boolean
  /** What no group matches is selected. */
  readonly selectsRest: boolean
  /** All that is selected is this path or below it, where the patterns say so. */
  readonly within: string | undefined
}

/** Consecutive patterns of one sign, which is taken off them: which of them matches makes no difference. */
export interface PatternGroup {
  readonly negative: boolean
  readonly patterns: readonly Pattern[]
}

export function parseSelection(texts: readonly string[]): ParsedSelection {
  const patterns = texts.flatMap(parse)
  const selectsRest = patterns[0]?.negative === true
  const selectsRoot = selectsRest || patterns.some(({ negative, glob }) => !negative && glob === EVERYTHING)
  const within = selectsRest ? undefined : commonDirectory(patterns.filter(({ negative }) => !negative))
  return { groups: groupPatterns(patterns), selectsRoot, selectsRest, within }
}

/** The innermost path that all globs begin with. */
function commonDirectory(patterns: readonly Pattern[]): string | undefined {
  const [first = [], ...others] = patterns.map(literalParts)
  let length = first.length
  for (const parts of others) {
    let same = 0
    while (same < length && parts[same] === first[same]) same++
    length = same
  }
  return length === 0 ? undefined : decodePath(Buffer.from(first.slice(0, length).join('/'), 'latin1'))
}

/** The parts of an anchored glob before the first wildcard; none of a glob that matches at any depth. */
function literalParts({ glob }: Pattern): string[] {
  if (!glob.replace(/\/+$/, '').includes('/')) return []
  const parts = glob.replace(/^\/|\/+$/g, '').split('/')
  const wild = parts.findIndex(part => /[*?[]/.test(part.replace(/\\./gs, '')))
  return parts.slice(0, wild < 0 ? parts.length : wild).map(part => part.replace(/\\(.)/gs, '$1'))
}

/**
 * The path that somebody typed: as reports print it, quoted and with escapes (`"caf\\xe9"`), or as it is, with or
 * without `./` and a `/` at its ends.
 */
export function parseTypedPath(text: string): string {
  const bytes = encodePath(unquote(text) ?? text)
  const path = decodePath(bytes).replace(/^(?:\.?\/)+|\/+$/g, '')
  return path === '' || path === '.' ? ROOT_PATH : path
}

function groupPatterns(patterns: readonly Pattern[]): PatternGroup[] {
  const groups: { negative: boolean; patterns: Pattern[] }[] = []
  for (const { negative, glob } of patterns) {
    if (groups.at(-1)?.negative !== negative) groups.push({ negative, patterns: [] })
    groups.at(-1)!.patterns.push({ negative: false, glob })
  }
  return groups
}

const EVERYTHING = '**'

/** A text is a pattern, and the path that it spells too. */
function parse(text: string): Pattern[] {
  const { negative, glob } = parsePattern(text)
  const printed = unquote(glob)
  const path = printed ?? glob
  const clean = path.replace(/^(?:\.?\/)+(?=.)/, match => (match === '/' ? match : '/'))
  if (clean === '') throw new RangeError('createSelection: a pattern is empty')
  if (clean === '.' || clean === '/' || clean === './') return [{ negative, glob: EVERYTHING }]
  const bytes = toByteString(clean)
  const literal = { negative, glob: toGlob(bytes.replace(/^\//, '')) }
  if (printed !== undefined) return [literal]
  return /[\\*?[]/.test(bytes) ? [literal, { negative, glob: bytes }] : [{ negative, glob: bytes }]
}

const ESCAPE = /\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)/gis

/** The path that `printPath` has quoted; undefined for a text without quotes. */
function unquote(text: string): string | undefined {
  const quoted = /^"(.*)"$/s.exec(text)?.[1]
  return quoted?.replace(ESCAPE, (_, sequence: string) => decodeEscape(sequence))
}

function decodeEscape(sequence: string): string {
  const code = Number.parseInt(sequence.slice(1), 16)
  if (sequence.length === 3) return String.fromCharCode(code < 0x80 ? code : 0xdc00 | code)
  if (sequence.length === 5) return String.fromCharCode(code)
  return { n: '\n', t: '\t', r: '\r' }[sequence] ?? sequence
}
