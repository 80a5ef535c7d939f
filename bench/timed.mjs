// One run of a whole process under GNU time.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const BIN = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bin/ibt.cjs')

// What it names is read at every start, which takes Node as long as all else: no user of ours has that in a measurement.
delete process.env.NODE_EXTRA_CA_CERTS

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
