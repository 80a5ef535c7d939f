import { IGNORE_FILE } from './constants.js'
import { ROOT_PATH } from './path.js'
import { Matcher, parseIgnoreFile, parsePattern, toByteString } from './rules/patterns.js'
import type { EntryType } from './types.js'

export { createSelection, type Selection } from './rules/selection.js'

/** First bytes of a CACHEDIR.TAG. Source: the Cache Directory Tagging Specification. */
const CACHE_TAG = 'CACHEDIR.TAG'
const CACHE_SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55'

/** What is left out of a backup. */
export interface RulesOptions {
  /**
   * Names of ignore files, in any directory, with patterns as in gitignore(5); of several in one directory, the later
   * name is stronger. Default: `IGNORE_FILE`; []: none.
   */
  readonly ignoreFiles?: readonly string[] | undefined
  /**
   * Patterns as in gitignore(5), relative to the root; stronger than those of ignore files. A pattern is no line of a
   * file: `#` is no comment, and spaces at its end count.
   */
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

/** The rules that hold in one directory. A child's is made of its parent's, and changes neither. */
export interface Scope {
  /** Nothing is excluded here, whatever it is: there is no need to ask. */
  readonly isIdle?: boolean | undefined
  /** The directory is kept without its contents. */
  readonly skipsContents: boolean
  /**
   * Whether an entry of this directory is left out; the path is the entry's, from the root.
   * What is not known to be a directory is left out only if it would be as a directory and as a file.
   */
  excludes(path: string, type: EntryType, sizeBytes?: number): boolean
  enter(directory: string, captured: Captured, names: readonly string[]): Scope
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
 * As to git, names are bytes: case matters, `?` is one byte, and nothing in an ignore file is an error.
 * Memory: the patterns of the open directories. Source: gitignore(5); judged by `git check-ignore`. Not as git has it is
 * only a globstar beside a quoted slash (`**\/b`), which is read as `*`.
 *
 * @throws TypeError or RangeError for an option that is of another type or makes no sense.
 * @throws BackupError IBT_NAME_INVALID for a pattern that no bytes stand for.
 */
export function createRules(options: RulesOptions = {}): Rules {
  const { ignoreFiles = [IGNORE_FILE], excludeIfPresent = [], exclude = [], excludePaths = [] } = options
  const { excludeCaches = false, excludeLargerThanBytes = Infinity, oneFileSystem = false } = options
  checkStrings({ ignoreFiles, excludeIfPresent, exclude, excludePaths })
  checkNames({ ignoreFiles, excludeIfPresent })
  if (typeof excludeLargerThanBytes !== 'number' || !(excludeLargerThanBytes >= 0)) {
    throw new RangeError('createRules: excludeLargerThanBytes is a number of bytes')
  }
  const settings: Settings = {
    ignoreFiles,
    markers: excludeIfPresent,
    excludeCaches,
    largerThanBytes: excludeLargerThanBytes,
    paths: new Set(excludePaths),
    overrides:
      exclude.length === 0 ? [] : [{ start: 0, matcher: new Matcher(exclude.map(toByteString).map(parsePattern)) }]
  }
  return {
    captures: excludeCaches ? [...ignoreFiles, CACHE_TAG] : ignoreFiles,
    oneFileSystem,
    root: (captured, names) => createScope(settings, [], ROOT_PATH, captured, names)
  }
}

function checkStrings(lists: Readonly<Record<string, readonly string[]>>): void {
  for (const [option, list] of Object.entries(lists)) {
    if (!Array.isArray(list) || !list.every(item => typeof item === 'string')) {
      throw new TypeError(`createRules: ${option} is a list of strings`)
    }
  }
}

function checkNames(lists: Readonly<Record<string, readonly string[]>>): void {
  for (const [option, list] of Object.entries(lists)) {
    if (list.some(name => name === '' || name.includes('/'))) {
      throw new RangeError(`createRules: ${option} are names without '/'`)
    }
  }
}

const NO_BYTES = new Uint8Array(0)

interface Settings {
  readonly ignoreFiles: readonly string[]
  readonly markers: readonly string[]
  readonly excludeCaches: boolean
  readonly largerThanBytes: number
  readonly paths: ReadonlySet<string>
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
  names: readonly string[]
): Scope {
  const start = directory === ROOT_PATH ? 0 : toByteString(directory).length + 1
  const own = settings.ignoreFiles.flatMap(name => {
    const patterns = parseIgnoreFile(captured.get(name) ?? NO_BYTES)
    return patterns.length === 0 ? [] : [{ start, matcher: new Matcher(patterns) }]
  })
  const skipsContents =
    settings.markers.some(name => names.includes(name)) || (settings.excludeCaches && isCache(captured.get(CACHE_TAG)))
  return new DirectoryScope(settings, own.length === 0 ? inherited : [...inherited, ...own], skipsContents)
}

class DirectoryScope implements Scope {
  readonly isIdle: boolean
  readonly #levels: readonly Level[]

  constructor(
    readonly settings: Settings,
    /** Of ignore files, weakest first. */
    readonly inherited: readonly Level[],
    readonly skipsContents: boolean
  ) {
    const { largerThanBytes, paths, overrides } = settings
    this.#levels = overrides.length === 0 ? inherited : [...inherited, ...overrides]
    this.isIdle = !skipsContents && largerThanBytes === Infinity && paths.size === 0 && this.#levels.length === 0
  }

  enter(directory: string, captured: Captured, names: readonly string[]): Scope {
    return this.skipsContents ? this : createScope(this.settings, this.inherited, directory, captured, names)
  }

  excludes(path: string, type: EntryType, sizeBytes = 0): boolean {
    if (this.isIdle || path === ROOT_PATH) return false
    const { paths, largerThanBytes } = this.settings
    if (this.skipsContents || paths.has(path)) return true
    if (sizeBytes > largerThanBytes && type === 'file') return true
    const bytes = toByteString(path)
    if (type === 'unreadable') return this.#match(bytes, true) && this.#match(bytes, false)
    return this.#match(bytes, type === 'directory')
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
