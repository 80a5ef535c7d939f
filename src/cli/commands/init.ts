import { existsSync, renameSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { basename, isAbsolute, join, relative, resolve } from 'node:path'
import { configsIn } from '../../config/find-config.js'
import { keyFromPath } from '../../format/names.js'
import { printPath } from '../../path.js'
import { storeFromUrl } from '../../stores/open-store.js'
import { isStoreUrl } from '../../stores/store-url.js'
import { checkText } from '../arguments.js'
import { Exit, UsageError } from '../exit.js'
import { formatCount } from '../format.js'
import { configText, type FoundSource } from '../init-text.js'

/** What is often made again, and not backed up. */
const EXCLUDABLE = ['node_modules', 'dist', 'build', 'target', '.venv', '__pycache__', '.cache']
/** Types of file systems, as statfs(2) has them. */
const SNAPSHOTS = new Map([
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs']
] as const)

/** `ibt init`. */
export function runInit(
  paths: readonly string[],
  { store, force = false }: { readonly store?: string; readonly force?: boolean }
): number {
  const isTypeScript = runsTypeScript()
  const file = resolve(isTypeScript ? 'ibt.config.ts' : 'ibt.config.mjs')
  const [other] = configsIn('.').filter(path => !force || resolve(path) !== file)
  if (other !== undefined) {
    const how = resolve(other) === file ? '--force replaces it' : 'remove it first'
    throw new UsageError(`There is a config already, ${other}: ${how}`)
  }
  const sources = findSources(paths.length === 0 ? ['.'] : paths)
  const { IBT_STORE } = process.env
  const isStoreFromEnvironment = store === undefined && Boolean(IBT_STORE)
  const where = checkText('the store', (store ?? IBT_STORE) || 'backups')
  // A URL with a password is refused before it is written down.
  if (isStoreUrl(where)) storeFromUrl(where)
  const text = configText({ isTypeScript, store: where, isStoreFromEnvironment, sources })
  writeFileSync(`${file}.tmp`, text, { flag: 'wx' })
  renameSync(`${file}.tmp`, file)
  const lines = [
    `Wrote ${basename(file)}: ${formatCount(sources.length, 'source')} (${sources.map(({ name }) => name).join(', ')}), backups in ${printPath(where)}`,
    'Look at it, and then: ibt backup'
  ]
  process.stdout.write(lines.map(line => `${line}\n`).join(''))
  return Exit.done
}

/** Whether a config in TypeScript would run here, and is what the project is written in. */
function runsTypeScript(): boolean {
  const { typescript } = process.features as { readonly typescript?: unknown }
  if (!typescript || !existsSync('tsconfig.json')) return false
  try {
    createRequire(resolve('ibt.config.ts')).resolve('incremental-backups-tools')
    return true
  } catch {
    return false
  }
}

function findSources(paths: readonly string[]): FoundSource[] {
  const names = new Set<string>()
  return paths.map(path => {
    const root = resolve(checkText('the source', path))
    if (statSync(root, { throwIfNoEntry: false }) === undefined) throw new UsageError(`${path} is not there`)
    const key = keyFromPath(root)
    let name = key
    for (let i = 2; names.has(name.toLowerCase()); i++) name = `${key}-${i}`
    names.add(name.toLowerCase())
    const has = (entry: string) => existsSync(join(root, entry))
    return {
      ...{ name, path: pathInConfig(root), excludable: EXCLUDABLE.filter(has), hasGitignore: has('.gitignore') },
      snapshots: SNAPSHOTS.get(statfsSync(root).type as 0x9123683e)
    }
  })
}

/** Relative below the working directory, from `~` below the home directory, else absolute. */
function pathInConfig(root: string): string {
  const below = (from: string) => {
    const path = relative(from, root)
    return path === '..' || path.startsWith('../') || isAbsolute(path) ? undefined : path
  }
  const [here, home] = [below(process.cwd()), below(homedir())]
  if (here !== undefined) return here || '.'
  return home ? `~/${home}` : root
}
