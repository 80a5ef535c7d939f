import ignore from 'ignore'
import { IGNORE_FILE } from './constants.js'
import { encodePath, ROOT_PATH } from './path.js'
import type { EntryType } from './types.js'

/** First bytes of a CACHEDIR.TAG. Source: the Cache Directory Tagging Specification. */
const CACHE_TAG = 'CACHEDIR.TAG'
const CACHE_SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55'

/** What is left out of a backup. */
export interface RulesOptions {
  /** Names of ignore files, in any directory, with patterns as in gitignore(5). Default: `IGNORE_FILE`; []: none. */
  readonly ignoreFiles?: readonly string[] | undefined
  /** Patterns as in gitignore(5), relative to the root; stronger than those of ignore files. */
  readonly exclude?: readonly string[] | undefined
  /** A directory that holds an entry of one of these names is kept without its contents. */
  readonly excludeIfPresent?: readonly string[] | undefined
  /** A directory with a valid CACHEDIR.TAG is kept without its contents. */
  readonly excludeCaches?: boolean | undefined
  /** Larger files are left out. */
  readonly excludeLargerThanBytes?: number | undefined
  /** Directories on other file systems are kept without their contents. */
  readonly oneFileSystem?: boolean | undefined
  /** Paths of entries, relative to the root, that are left out with all below, whatever patterns say. */
  readonly excludePaths?: readonly string[] | undefined
}

/** What a directory's listing brings for the rules: the contents of captured files, by name. */
export type Captured = ReadonlyMap<string, Uint8Array>

/** The rules that hold in one directory. Immutable; a child's is made of its parent's. */
export interface Scope {
  /** Whether an entry of this directory, or below it, is left out. The path is the entry's, from the root. */
  excludes(path: string, type: EntryType, sizeBytes?: number): boolean
  enter(directory: string, captured: Captured, names: readonly string[]): Scope
  /** The directory is kept without its contents. */
  readonly skipsContents: boolean
}

export interface Rules {
  /** Names of files whose contents have to come with a directory's listing. */
  readonly captures: readonly string[]
  readonly oneFileSystem: boolean
  root(captured: Captured, names: readonly string[]): Scope
}

/**
 * Rules of exclusion, with the meaning of gitignore(5): a deeper file is stronger, the last pattern that matches wins,
 * `!` takes back, and nothing below an excluded directory comes back, for it is never listed.
 * Case matters, and patterns match bytes. Memory: the patterns of the open directories. Source: gitignore(5); judged by
 * `git check-ignore`.
 *
 * @throws TypeError for an option of another type.
 */
export function createRules(options: RulesOptions = {}): Rules {
  const { ignoreFiles = [IGNORE_FILE], exclude = [], excludeCaches = false, oneFileSystem = false } = options
  if (![ignoreFiles, exclude].every(list => Array.isArray(list) && list.every(item => typeof item === 'string'))) {
    throw new TypeError('createRules: ignoreFiles and exclude are lists of strings')
  }
  const settings: Settings = {
    ignoreFiles,
    markers: options.excludeIfPresent ?? [],
    excludeCaches,
    largerThanBytes: options.excludeLargerThanBytes ?? Infinity,
    paths: new Set(options.excludePaths ?? []),
    overrides: exclude.length === 0 ? [] : [new Matcher(ROOT_PATH, exclude.map(toByteText))]
  }
  return {
    captures: excludeCaches ? [...ignoreFiles, CACHE_TAG] : ignoreFiles,
    oneFileSystem,
    root: (captured, names) => new DirectoryScope(settings, [], ROOT_PATH, captured, names)
  }
}

interface Settings {
  readonly ignoreFiles: readonly string[]
  readonly markers: readonly string[]
  readonly excludeCaches: boolean
  readonly largerThanBytes: number
  readonly paths: ReadonlySet<string>
  readonly overrides: readonly Matcher[]
}

class DirectoryScope implements Scope {
  /** Weakest first. */
  readonly #inherited: readonly Matcher[]
  readonly #matchers: readonly Matcher[]
  readonly skipsContents: boolean

  constructor(
    readonly settings: Settings,
    inherited: readonly Matcher[],
    directory: string,
    captured: Captured,
    names: readonly string[]
  ) {
    const own = settings.ignoreFiles.flatMap(name => {
      const bytes = captured.get(name)
      return bytes === undefined ? [] : [new Matcher(directory, parseIgnoreFile(bytes))]
    })
    this.#inherited = own.length === 0 ? inherited : [...inherited, ...own]
    this.#matchers = [...this.#inherited, ...settings.overrides]
    this.skipsContents = settings.markers.some(name => names.includes(name)) || isCache(captured.get(CACHE_TAG))
  }

  enter(directory: string, captured: Captured, names: readonly string[]): Scope {
    return new DirectoryScope(this.settings, this.#inherited, directory, captured, names)
  }

  excludes(path: string, type: EntryType, sizeBytes = 0): boolean {
    const { paths, largerThanBytes } = this.settings
    if (sizeBytes > largerThanBytes && type === 'file') return true
    if (paths.size > 0 && paths.has(path)) return true
    for (let i = this.#matchers.length - 1; i >= 0; i--) {
      const verdict = this.#matchers[i]!.test(path, type)
      if (verdict !== undefined) return verdict
    }
    return false
  }
}

function isCache(tag: Uint8Array | undefined): boolean {
  return (
    tag !== undefined && Buffer.from(tag).subarray(0, CACHE_SIGNATURE.length).toString('latin1') === CACHE_SIGNATURE
  )
}

/** Lines of an ignore file, a character a byte. A mark of byte order is skipped, as git does. */
function parseIgnoreFile(bytes: Uint8Array): string[] {
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .split('\n')
}

/** A path or pattern with a character a byte: git matches bytes, so that `?` is one byte of a longer character. */
function toByteText(text: string): string {
  return isAscii(text) ? text : encodePath(text).toString('latin1')
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

/** What the patterns say of a path. */
interface Verdict {
  readonly ignored: boolean
  readonly unignored: boolean
}

/** The patterns of one ignore file, a character a byte, for paths below its directory. */
class Matcher {
  readonly #rules: { test(path: string, mode: 'regex'): Verdict }

  constructor(
    readonly directory: string,
    patterns: readonly string[]
  ) {
    // What the public `test` says of a path includes what it says of the directories above it: wrong where a stronger
    // file has taken one of those back. And it remembers every path. Its rules alone do neither.
    const matcher = ignore({ ignorecase: false, allowRelativePaths: true }).add(patterns as string[])
    this.#rules = (matcher as unknown as { readonly _rules: { test(path: string, mode: 'regex'): Verdict } })._rules
  }

  /** Excluded, taken back, or undefined: no pattern matches. */
  test(path: string, type: EntryType): boolean | undefined {
    if (path === ROOT_PATH) return undefined
    const relative = toByteText(this.directory === ROOT_PATH ? path : path.slice(this.directory.length + 1))
    const { ignored, unignored } = this.#rules.test(type === 'directory' ? `${relative}/` : relative, 'regex')
    return ignored ? true : unignored ? false : undefined
  }
}

/** Which entries a restore wants. */
export interface Selection {
  /** Whether the entry, or a directory that holds it, is wanted. */
  selects(path: string, type: EntryType): boolean
}

/**
 * A selection by patterns as in gitignore(5), relative to the root: what matches, with all that lies below it.
 * A name with bytes that are not UTF-8 is given as reports print it: `"caf\xe9"`.
 *
 * @throws TypeError for anything but strings.
 */
export function createSelection(patterns: readonly string[]): Selection {
  if (!patterns.every(pattern => typeof pattern === 'string'))
    throw new TypeError('createSelection: patterns are strings')
  const matcher = new Matcher(ROOT_PATH, patterns.map(toPattern).map(toByteText))
  return {
    selects: (path, type) => {
      if (path === ROOT_PATH) return patterns.includes(ROOT_PATH)
      for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
        if (matcher.test(path.slice(0, end), 'directory')) return true
      }
      return matcher.test(path, type) === true
    }
  }
}

/** A path as reports print it is a literal; anything else is a pattern. */
function toPattern(text: string): string {
  if (!/^".*"$/.test(text)) return text
  const literal = text
    .slice(1, -1)
    .replace(/\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)/g, (_, sequence: string) => decodeEscape(sequence))
  return `/${literal.replace(/[\\*?[\]!# ]/g, '\\$&')}`
}

function decodeEscape(sequence: string): string {
  const code = Number.parseInt(sequence.slice(1), 16)
  if (sequence.length === 3) return String.fromCharCode(0xdc00 | code)
  if (sequence.length === 5) return String.fromCharCode(code)
  return { n: '\n', t: '\t', r: '\r' }[sequence] ?? sequence
}
