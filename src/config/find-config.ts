import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { BackupError } from '../errors.js'

/** Names of a config. */
export const CONFIG_NAMES = ['ibt.config.ts', 'ibt.config.mjs', 'ibt.config.js', 'ibt.config.json'] as const

/** The config of a directory: in it, or in the nearest above that has one. @throws BackupError IBT_CONFIG_INVALID for two */
export function findConfig(from: string): string | undefined {
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    const [found, other] = configsIn(directory)
    if (other !== undefined) {
      throw new BackupError('IBT_CONFIG_INVALID', `There are two configs, ${found} and ${other}: remove one`, {
        path: other
      })
    }
    if (found !== undefined) return found
    if (directory === dirname(directory)) return undefined
  }
}

/** The configs that a directory has. */
export function configsIn(directory: string): string[] {
  const paths = CONFIG_NAMES.map(name => join(directory, name))
  return paths.filter(path => lstatSync(path, { throwIfNoEntry: false }) !== undefined)
}

/**
 * Refuses a config that another user has made or can change: it is code, and would run with the rights of this process. As
 * git's safe.directory, it looks at the file and its directory. Root is trusted.
 *
 * @throws BackupError IBT_CONFIG_UNSAFE, IBT_CONFIG_INVALID if the file cannot be read
 */
export function checkOwner(file: string): void {
  const uid = process.geteuid?.()
  if (uid === undefined) return
  const real = realOf(file)
  for (const path of new Set([real, dirname(real), dirname(resolve(file))])) {
    const stats = statSync(path)
    const why = whyUnsafe(stats, uid)
    if (why === undefined) continue
    const message = `${file} is a config, which is code, and ${path} ${why}: take it over, or give --no-config`
    throw new BackupError('IBT_CONFIG_UNSAFE', message, { path: file })
  }
}

function realOf(file: string): string {
  try {
    return realpathSync(file)
  } catch (cause) {
    throw new BackupError('IBT_CONFIG_INVALID', `The config ${file} cannot be read`, { path: file, cause })
  }
}

function whyUnsafe(stats: Stats, uid: number): string | undefined {
  if (stats.uid !== uid && stats.uid !== 0) return `belongs to user ${stats.uid}, not to user ${uid}`
  const isSticky = stats.isDirectory() && (stats.mode & 0o1000) !== 0
  return (stats.mode & 0o002) !== 0 && !isSticky ? 'can be written by everybody' : undefined
}
