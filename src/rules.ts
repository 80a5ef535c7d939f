import ignore from 'ignore'
import { IGNORE_FILE_BYTES } from './constants.js'
import { baseName, ROOT_PATH } from './path.js'
import { mayHold, NamedEntries } from './rules/named.js'
import { checkRulesOptions, type RulesOptions } from './rules/options.js'
import { type Pattern, parseIgnoreFile, parseTyped, spell, toByteString } from './rules/patterns.js'
import { parseSelection } from './rules/selection.js'
import type { EntryType } from './types.js'

export { parseTypedPath } from './rules/selection.js'
export type { RulesOptions }

/** First bytes of a CACHEDIR.TAG. Source: the Cache Directory Tagging Specification. */
const CACHE_TAG = 'CACHEDIR.TAG'
const CACHE_SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55'

/** What a directory's listing brings for the rules: the contents of captured files, by name. */
export type Captured = ReadonlyMap<string, Uint8Array>

/** The rules that hold in one directory. A child's is made of its parent's, and changes neither. */
export interface Scope {
  /** Nothing is excluded here, whatever it is: there is no need to ask. */
  readonly isIdle?: boolean | undefined
  /** The directory is backed up without its contents, but for what marks it as such. */
  readonly skipsContents: boolean
  /**
   * Whether an entry of this directory is left out; the path is the entry's, from the root.
   * What is not known to be a directory is left out only if it would be as a directory and as a file.
   */
  excludes(path: string, type: EntryType, sizeBytes?: number): boolean
  /** The rules of a directory in this one. `names`: of all that is in it, where that is known. */
  enter(directory: string, captured: Captured, names?: readonly string[]): Scope
}

/** What is left out of a tree: `walk` asks before it lists a directory. */
export interface Rules {
  /** Names of files whose contents have to come with a directory's listing. */
  readonly captures: readonly string[]
  /** So many of the first may also be links, to regular files: ignore files may, a CACHEDIR.TAG must not. Default: 0. */
  readonly linkedCaptures?: number | undefined
  readonly oneFileSystem: boolean
  /**
   * Where a scope is idle, nothing but captured files can leave out what is below: all up to the next directory that has
   * one may be listed before `enter` is asked.
   */
  readonly capturesDecide?: boolean | undefined
  /** The rules of the root. */
  root(captured: Captured, names?: readonly string[]): Scope
}

/**
 * Rules of exclusion, with the meaning of gitignore(5): a deeper file is stronger, the last pattern that matches wins,
 * `!` takes back, and nothing below an excluded directory comes back, for it is never listed.
 * As to git, names are bytes: case matters, `?` is one byte, and nothing in an ignore file is an error.
 * Memory: the patterns of the open directories, and `files`. Source: gitignore(5); judged by `git check-ignore`. Not as git has it is
 * only a globstar beside a quoted slash (`**\/b`), which is read as `*`.
 *
 * @throws TypeError or RangeError for an option that is of another type or makes no sense.
 * @throws BackupError IBT_NAME_INVALID for a pattern that no bytes stand for.
 */
export function createRules(options: RulesOptions = {}): Rules {
  const { ignoreFiles, exclude, excludeCaches, oneFileSystem, files, ...rest } = checkRulesOptions(options)
  const patterns = exclude.map(toByteString).map(parseTyped)
  const settings: Settings = {
    ignoreFiles,
    markers: rest.excludeIfPresent,
    excludeCaches,
    largerThanBytes: rest.excludeLargerThanBytes,
    paths: new Set(rest.excludePaths),
    named: files && new NamedEntries(files, rest.onMissing),
    overrides: patterns.length === 0 ? [] : [{ start: 0, matcher: new Matcher(patterns) }]
  }
  return {
    captures: excludeCaches ? [...ignoreFiles, CACHE_TAG] : ignoreFiles,
    linkedCaptures: ignoreFiles.length,
    oneFileSystem,
    capturesDecide: settings.markers.length === 0,
    root: (captured, names) => createScope(settings, [], ROOT_PATH, captured, names)
  }
}

const NO_BYTES = new Uint8Array(0)

interface Settings {
  readonly ignoreFiles: readonly string[]
  readonly markers: readonly string[]
  readonly excludeCaches: boolean
  readonly largerThanBytes: number
  readonly paths: ReadonlySet<string>
  readonly named: NamedEntries | undefined
  readonly overrides: readonly Level[]
}

/** The patterns of one ignore file, and where in a string of bytes paths below its directory begin. */
interface Level {
  readonly start: number
  readonly matcher: Matcher
}

function createScope(
  settings: Settings,
  inherited: readonly Level[],
  directory: string,
  captured: Captured,
  names: readonly string[] | undefined
): Scope {
  const start = directory === ROOT_PATH ? 0 : toByteString(directory).length + 1
  const own = settings.ignoreFiles.flatMap(name => {
    const patterns = parseIgnoreFile(wholeLines(captured.get(name) ?? NO_BYTES))
    return patterns.length === 0 ? [] : [{ start, matcher: new Matcher(patterns) }]
  })
  const marks = settings.markers.filter(name => names?.includes(name))
  if (settings.excludeCaches && isCache(captured.get(CACHE_TAG))) marks.push(CACHE_TAG)
  const levels = own.length === 0 ? inherited : [...inherited, ...own]
  if (marks.length > 0) return new DirectoryScope(settings, levels, { marks })
  if (names !== undefined) settings.named?.see(directory, names)
  return new DirectoryScope(settings, levels, { isListed: names !== undefined })
}

/** Half a pattern would leave out more than the whole: a file of `IGNORE_FILE_BYTES` may have been cut there. */
function wholeLines(bytes: Uint8Array): Uint8Array {
  return bytes.length < IGNORE_FILE_BYTES ? bytes : bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1)
}

interface DirectoryOptions {
  /** Names of the only entries that are kept. */
  readonly marks?: readonly string[]
  readonly isListed?: boolean
}

class DirectoryScope implements Scope {
  readonly isIdle: boolean
  readonly skipsContents: boolean
  readonly #levels: readonly Level[]

  constructor(
    readonly settings: Settings,
    /** Of ignore files, weakest first. */
    readonly inherited: readonly Level[],
    readonly options: DirectoryOptions
  ) {
    const { largerThanBytes, paths, named, overrides } = settings
    this.#levels = overrides.length === 0 ? inherited : [...inherited, ...overrides]
    this.skipsContents = options.marks !== undefined
    const isUnlimited = largerThanBytes === Infinity && paths.size === 0 && named === undefined
    this.isIdle = !this.skipsContents && isUnlimited && this.#levels.length === 0
  }

  enter(directory: string, captured: Captured, names?: readonly string[]): Scope {
    // A mark that is a directory is kept empty.
    if (this.skipsContents) return new DirectoryScope(this.settings, this.inherited, { marks: [] })
    return createScope(this.settings, this.inherited, directory, captured, names)
  }

  excludes(path: string, type: EntryType, sizeBytes = 0): boolean {
    if (this.isIdle || path === ROOT_PATH) return false
    const { paths, largerThanBytes } = this.settings
    if (paths.has(path) || !this.#isWanted(path, type)) return true
    if (sizeBytes > largerThanBytes && type === 'file') return true
    const bytes = toByteString(path)
    if (type === 'unreadable') return this.#match(bytes, true) && this.#match(bytes, false)
    return this.#match(bytes, type === 'directory')
  }

  #isWanted(path: string, type: EntryType): boolean {
    const { named } = this.settings
    const { marks, isListed } = this.options
    if (marks !== undefined && !marks.includes(baseName(path))) return false
    if (named !== undefined && isListed && !mayHold(type)) named.see(path)
    return named === undefined || named.has(path, type)
  }

  #match(path: string, isDirectory: boolean): boolean {
    for (let i = this.#levels.length - 1; i >= 0; i--) {
      const { start, matcher } = this.#levels[i]!
      const verdict = matcher.match(start === 0 ? path : path.slice(start), isDirectory)
      if (verdict !== undefined) return verdict
    }
    return false
  }
}

function isCache(tag: Uint8Array | undefined): boolean {
  if (tag === undefined) return false
  return Buffer.from(tag.subarray(0, CACHE_SIGNATURE.length)).toString('latin1') === CACHE_SIGNATURE
}

/** Which entries a restore wants. */
export interface Selection {
  /** Whether the entry, or a directory that holds it, is wanted. */
  selects(path: string, type: EntryType): boolean
  /** Everything that is wanted is this path or below it. Undefined: it may be anywhere. */
  readonly within?: string | undefined
}

/** Options of `createSelection`. */
export interface SelectionOptions {
  /** Whether a pattern selects what lies below an entry that it matches, too. Default: true. */
  readonly below?: boolean | undefined
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
export function createSelection(patterns: readonly string[], { below = true }: SelectionOptions = {}): Selection {
  if (!Array.isArray(patterns) || !patterns.every(pattern => typeof pattern === 'string')) {
    throw new TypeError('createSelection: a list of strings is expected')
  }
  const { groups, selectsRoot, selectsRest, within } = parseSelection(patterns)
  const matchers = groups.map(({ negative, patterns }) => ({ negative, matcher: new Matcher(patterns) })).reverse()
  const select = (path: string, isDirectory: boolean): boolean => {
    const group = matchers.find(({ matcher }) =>
      below ? covers(matcher, path, isDirectory) : matcher.match(path, isDirectory) === true
    )
    return group === undefined ? selectsRest : !group.negative
  }
  return {
    within,
    selects(path, type) {
      if (path === ROOT_PATH) return selectsRoot
      const bytes = toByteString(path)
      return select(bytes, type === 'directory') || (type === 'unreadable' && select(bytes, true))
    }
  }
}

/** Whether the path or a directory above it is matched. */
function covers(matcher: Matcher, path: string, isDirectory: boolean): boolean {
  for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
    if (matcher.match(path.slice(0, end), true)) return true
  }
  return matcher.match(path, isDirectory) === true
}

/** What is used of the inside of `ignore`, whose version is therefore pinned. */
interface PrivateRules {
  test(path: string, mode: 'regex'): { readonly ignored: boolean; readonly unignored: boolean }
}

/**
 * Patterns of one place, of which the last one that matches decides: the only class that knows `ignore`.
 * They are matched on bytes, as git does: `?` is one byte, and a name that is not UTF-8 is a name like any other.
 */
class Matcher {
  readonly #rules: PrivateRules

  constructor(patterns: readonly Pattern[]) {
    // What the public `test` says of a path includes what it says of the directories above it: wrong where a stronger
    // file has taken one of those back. And it remembers every path. Its rules alone do neither, in a fifth of the time.
    this.#rules = (
      ignore({ ignorecase: false }).add(patterns.flatMap(spell)) as unknown as { readonly _rules: PrivateRules }
    )._rules
  }

  /**
   * Whether the path itself is matched: by a pattern, by one that takes back (false), or by none.
   * The path is a string of bytes, relative to the directory that the patterns belong to.
   */
  match(path: string, isDirectory: boolean): boolean | undefined {
    const { ignored, unignored } = this.#rules.test(isDirectory ? `${path}/` : path, 'regex')
    return ignored ? true : unignored ? false : undefined
  }
}
