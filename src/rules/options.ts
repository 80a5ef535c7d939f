import { IGNORE_FILE } from '../constants.js'

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

type CheckedOptions = { readonly [Name in keyof RulesOptions]-?: NonNullable<RulesOptions[Name]> }

/** The options with their defaults. @throws TypeError, RangeError */
export function checkRulesOptions(options: RulesOptions): CheckedOptions {
  const { ignoreFiles = [IGNORE_FILE], excludeIfPresent = [], exclude = [], excludePaths = [] } = options
  const { excludeCaches = false, excludeLargerThanBytes = Infinity, oneFileSystem = false } = options
  checkStrings({ ignoreFiles, excludeIfPresent, exclude, excludePaths })
  checkNames({ ignoreFiles, excludeIfPresent })
  if (typeof excludeLargerThanBytes !== 'number' || !(excludeLargerThanBytes >= 0)) {
    throw new RangeError('createRules: excludeLargerThanBytes is a number of bytes')
  }
  const lists = { ignoreFiles, excludeIfPresent, exclude, excludePaths }
  return { ...lists, excludeCaches, excludeLargerThanBytes, oneFileSystem }
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
