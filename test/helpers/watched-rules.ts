import type { Rules, Scope } from '../../src/rules.js'

/** Rules that tell what is asked of them. */
export function watchedRules(rules: Rules, onExcludes: (path: string) => void, onEnter: (path: string) => void): Rules {
  const watch = (scope: Scope): Scope => ({
    skipsContents: scope.skipsContents,
    excludes(path, type, sizeBytes) {
      onExcludes(path)
      return scope.excludes(path, type, sizeBytes)
    },
    enter(directory, captured, names) {
      onEnter(directory)
      return watch(scope.enter(directory, captured, names))
    }
  })
  return { ...rules, root: (captured, names) => watch(rules.root(captured, names)) }
}
