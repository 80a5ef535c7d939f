import { posix } from 'node:path'
import { isBelow } from '../path.js'
import { createRules, type Rules, type RulesOptions } from '../rules.js'
import { anchorPatterns, relativeNames } from './anchor.js'

/** What the rules of a source are made of beside the caller's own. */
export interface SourceRulesOptions {
  /** Paths of stores and caches in the source. */
  readonly leftOut: readonly string[]
  readonly onMissing: (path: string) => void
}

/** Those of the paths that are a part of the source: with `files`, what is neither in a named entry nor around one is none. */
export async function partsOfSource(
  paths: readonly string[],
  root: string,
  { files }: RulesOptions = {}
): Promise<string[]> {
  if (files === undefined) return [...paths]
  const named = (await relativeNames(files, root)).map(name => posix.normalize(name).replace(/(?<=.)\/$/, ''))
  return paths.filter(path => named.some(name => name === path || isBelow(path, name) || isBelow(name, path)))
}

/** The rules of a source as its caller typed them: absolute paths in it are anchored, stores and caches are left out. */
export async function sourceRules(
  root: string,
  rules: RulesOptions = {},
  { leftOut, onMissing }: SourceRulesOptions
): Promise<Rules> {
  const { exclude = [], excludePaths = [], files } = rules
  return createRules({
    ...rules,
    exclude: await anchorPatterns(exclude, root),
    files: files && (await relativeNames(files, root)),
    excludePaths: [...excludePaths, ...leftOut],
    onMissing
  })
}
