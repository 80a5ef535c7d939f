import { type Pattern, parsePattern, toByteString, toGlob } from './patterns.js'

/** What was asked for; of the groups the last one that matches decides. */
export interface ParsedSelection {
  readonly groups: readonly PatternGroup[]
  readonly selectsRoot: boolean
  /** What no group matches is selected. */
  readonly selectsRest: boolean
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
  return { groups: groupPatterns(patterns), selectsRoot, selectsRest }
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
