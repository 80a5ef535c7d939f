// Whole processes in turn: wall clock, CPU time and peak memory of each run, and what they come to.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Runs it under GNU time. `wall` and `cpu` in seconds, `rss` in MiB. */
export function measure({ command, env = {} }, work) {
  const report = `${work}/time`
  const start = performance.now()
  const all = ['-f', '%U %S %M', '-o', report, ...command]
  const result = spawnSync('/usr/bin/time', all, { env: { ...process.env, ...env }, encoding: 'utf8' })
  const wall = (performance.now() - start) / 1000
  if (result.status !== 0) throw new Error(`${command.join(' ')}: ${result.stderr}`)
  const [user, system, rss] = readFileSync(report, 'utf8').trim().split(' ').map(Number)
  return { wall, cpu: user + system, rss: rss / 1024, stdout: result.stdout }
}

/** Each round begins with another tool, so that none always follows the same one. `run(tool)` gives a sample. */
export function inTurn(tools, runs, run) {
  const samples = tools.map(() => [])
  for (let round = 0; round < runs; round++) {
    for (let i = 0; i < tools.length; i++) {
      const at = (round + i) % tools.length
      samples[at].push(run(tools[at], round))
    }
  }
  return samples
}

const sorted = numbers => [...numbers].sort((a, b) => a - b)
export const median = numbers => sorted(numbers)[Math.floor(numbers.length / 2)]

/** min / median / max. */
export function spread(numbers, digits) {
  const all = sorted(numbers)
  return [all[0], median(all), all.at(-1)].map(number => number.toFixed(digits)).join(' / ')
}

/** How many times faster each run was than that of the other tool in its round. */
export const ratios = (theirs, ours) => theirs.map((their, round) => their / ours[round])
