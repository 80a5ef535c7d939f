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

/** Seconds of CPU that all had, and that were there to be had. */
function cpuSoFar() {
  const [user, nice, system, idle, wait, ...others] = readFileSync('/proc/stat', 'utf8')
    .match(/\d+/g)
    .slice(0, 8)
    .map(Number)
  const busy = user + nice + system + others.reduce((sum, ticks) => sum + ticks, 0)
  return { busy, all: busy + idle + wait }
}

const sleepMs = ms => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/** Waits until the machine has next to nothing else to do, or no longer than it has patience. */
function waitForQuiet(patienceSeconds) {
  for (let waited = 0; waited < patienceSeconds; waited += 0.2) {
    const before = cpuSoFar()
    sleepMs(200)
    const after = cpuSoFar()
    if (after.busy - before.busy <= 0.05 * (after.all - before.all)) return
  }
}

/**
 * Each round begins with another tool, so that none always follows the same one. `run(tool, round)` gives a sample.
 * With `--patience SECONDS` each waits so long for a machine without other work.
 */
export function inTurn(tools, { runs, patience }, run) {
  const samples = tools.map(() => [])
  for (let round = 0; round < runs; round++) {
    for (let i = 0; i < tools.length; i++) {
      const at = (round + i) % tools.length
      waitForQuiet(patience)
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
