import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run } from './judges.js'

/** The files of a directory whose bytes, or what zstd and gzip make of them, hold a text. */
export function filesWith(directory: string, text: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter(path => readFileSync(path).includes(text) || decoded(path).includes(text))
}

function decoded(path: string): Buffer {
  const [command, ...args] = path.endsWith('.zst') ? ['zstd', '-dcq'] : ['gzip', '-dc']
  if (!/\.(zst|gz)$/.test(path)) return Buffer.alloc(0)
  const { stdout, error } = spawnSync(command!, [...args, path], { maxBuffer: 1 << 28 })
  // A cached copy has a digest behind it, of which they complain.
  if (error !== undefined || stdout.length === 0) throw error ?? new Error(`Nothing in ${path}`)
  return stdout
}

/** Removes a path from a naive copy as if it had never been there: the time of its directory stays. */
export function forgetPath(tree: string, path: string): void {
  const [gone, parent, clock] = [join(tree, path), dirname(join(tree, path)), `${tree}.clock`]
  if (!existsSync(gone)) return
  run('touch', [clock])
  run('touch', ['-r', parent, clock])
  rmSync(gone, { recursive: true })
  run('touch', ['-r', clock, parent])
  rmSync(clock)
}
