// One run of a whole process under GNU time.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const BIN = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bin/ibt.cjs')

/** Runs a command in a directory; throws if it fails. */
export function timed(command, cwd) {
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '%e %M', ...command], { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`)
  const [seconds, kilobytes] = stderr.trim().split('\n').at(-1).split(' ').map(Number)
  return { seconds, mebibytes: kilobytes / 1024 }
}

export function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
}
