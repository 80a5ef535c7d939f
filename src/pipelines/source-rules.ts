import { createRules, type Rules, type RulesOptions } from '../rules.js'
import { anchorPatterns, relativeNames } from './anchor.js'

/** What the rules of a source are made of beside the caller's own. */
export interface SourceRulesOptions {
  /** Paths of stores and caches in the source. */
  readonly leftOut: readonly string[]
  readonly onMissing: (path: string) => void
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
