import { IGNORE_FILE } from '../constants.js'

/** What is left out of a backup. */
export interface RulesOptions {
  /**
   * Names of ignore files, in any directory, with patterns as in gitignore(5); of several in one directory, the later
   * name is stronger. Default: `IGNORE_FILE`; []: none.
   */
  readonly ignoreFiles?: readonly string[] | undefined
  /**
   * Patterns as in gitignore(5), relative to the root; stronger than those of ignore files. A pattern is not a line of a
   * file: `#` is not a comment, and spaces at its end count. `./a` is anchored at the root, as `/a` is. A run
   * understands an absolute path in its source, too; a path that is plainly outside the source is a RangeError.
   */
  readonly exclude?: readonly string[] | undefined
  /**
   * Names of the entries that are backed up, each with all below, and nothing else but the directories that lead to
   * them: paths below the root, as `find` prints them. What excludes is stronger. Default: everything.
   */
  readonly files?: readonly string[] | undefined
  /** Called for each of `files` that is not there. */
  readonly onMissing?: ((path: string) => void) | undefined
  /** A directory with an entry of one of these names is backed up without its contents, but for that entry. */
  readonly excludeIfPresent?: readonly string[] | undefined
  /** A directory with a valid CACHEDIR.TAG is backed up without its contents, but for that file. */
  readonly excludeCaches?: boolean | undefined
  /** Larger files are left out. */
  readonly excludeLargerThanBytes?: number | undefined
  /** Directories on other file systems are backed up without their contents. */
  readonly oneFileSystem?: boolean | undefined
  /** Paths of entries, relative to the root, that are left out with all below, whatever patterns say. */
  readonly excludePaths?: readonly string[] | undefined
}

type CheckedOptions = {
  readonly [Name in Exclude<keyof RulesOptions, 'files'>]-?: NonNullable<RulesOptions[Name]>
} & Pick<RulesOptions, 'files'>

/** The options with their defaults. @throws TypeError, RangeError */
export function checkRulesOptions(options: RulesOptions): CheckedOptions {
  const { ignoreFiles = [IGNORE_FILE], excludeIfPresent = [], exclude = [], excludePaths = [] } = options
  const { excludeCaches = false, excludeLargerThanBytes = Infinity, oneFileSystem = false } = options
  const { files, onMissing = () => {} } = options
  checkStrings({ ignoreFiles, excludeIfPresent, exclude, excludePaths, files: files ?? [] })
  checkNames({ ignoreFiles, excludeIfPresent })
  if (typeof excludeLargerThanBytes !== 'number' || !(excludeLargerThanBytes >= 0)) {
    throw new RangeError('createRules: excludeLargerThanBytes is a number of bytes')
  }
  if (typeof onMissing !== 'function') throw new TypeError('createRules: onMissing is a function')
  const lists = { ignoreFiles, excludeIfPresent, exclude, excludePaths }
  return { ...lists, files, onMissing, excludeCaches, excludeLargerThanBytes, oneFileSystem }
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
