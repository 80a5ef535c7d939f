import { lstat, realpath } from 'node:fs/promises'
import { posix } from 'node:path'
import { decodePath, encodePath, isBelow, printPath } from '../path.js'
import { parsePattern } from '../rules/patterns.js'

/**
 * Patterns as people type them, as gitignore(5) has them: an absolute path in the source is anchored at the source.
 * Others that begin with `/` are anchored there already.
 *
 * @throws RangeError for the source itself, for a path that is plainly outside the source, and for `~/`: they would leave
 * out nothing.
 */
export function anchorPatterns(patterns: readonly string[], root: string): Promise<string[]> {
  return Promise.all(
    patterns.map(async pattern => {
      const { negative, glob } = parsePattern(pattern)
      return `${negative ? '!' : ''}${await anchorGlob(glob, root)}`
    })
  )
}

/** Absolute paths in the source as paths below its root; other names as they are. */
export async function relativeNames(names: readonly string[], root: string): Promise<string[]> {
  const roots = await spellings(root)
  return names.map(name => {
    if (!name.startsWith('/')) return name
    const path = posix.normalize(name).replace(/(?<=.)\/$/, '')
    return roots.includes(path) ? '.' : (below(path, roots)?.slice(1) ?? name)
  })
}

async function anchorGlob(glob: string, root: string): Promise<string> {
  if (glob.startsWith('~/')) {
    throw new RangeError(`The shell has not expanded ~ in the pattern ${printPath(glob)}: give a path, or './${glob}'`)
  }
  if (!glob.startsWith('/')) return glob
  const path = posix.normalize(glob)
  const roots = await spellings(root)
  if (path !== '/' && roots.includes(path.replace(/\/$/, ''))) {
    throw new RangeError(`The pattern ${printPath(glob)} is the source itself`)
  }
  return below(path, roots) ?? (await belowByLinks(path, roots)) ?? (await checkInside(glob, path, root))
}

/** The source as it was given, and without symbolic links. */
async function spellings(root: string): Promise<string[]> {
  return [root, (await realPath(root)) ?? root]
}

/** An anchored pattern of a path in the source. */
function below(path: string, roots: readonly string[]): string | undefined {
  const root = roots.find(root => root !== '/' && isBelow(path, root))
  return root === undefined ? undefined : path.slice(root.length)
}

/** A path that leads into the source by other symbolic links. */
async function belowByLinks(path: string, roots: readonly string[]): Promise<string | undefined> {
  const real = await realPath(path.replace(/(?<=.)\/$/, ''))
  return real === undefined || real === path ? undefined : below(real, roots)
}

/** A path that exists elsewhere, where the source has not even a directory to look for it in, is a mistake. */
async function checkInside(glob: string, path: string, root: string): Promise<string> {
  const [first, ...rest] = path.split('/').filter(part => part !== '')
  if (root === '/' || rest.length === 0 || /[\\*?[]/.test(path)) return glob
  if (!(await isThere(path)) || (await isThere(posix.join(root, first!)))) return glob
  throw new RangeError(`The pattern ${printPath(glob)} is a path outside the source ${printPath(root)}`)
}

async function realPath(path: string): Promise<string | undefined> {
  const found = await realpath(encodePath(path), { encoding: 'buffer' }).then(Buffer.from, () => undefined)
  return found && decodePath(found)
}

function isThere(path: string): Promise<boolean> {
  return lstat(encodePath(path)).then(
    () => true,
    () => false
  )
}
