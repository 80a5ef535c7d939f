// Builds and runs the fuzz targets of native/fuzz: `npm run fuzz [-- TARGET…] [--seconds N] [--jobs N]`. Each starts with
// the inputs of native/fuzz/corpus and those that earlier runs found worth keeping (in node_modules/.cache/fuzz). Exits 1
// if a target crashes, and keeps what crashed it beside them. Without clang it says so and exits 0, or 1 if
// REQUIRE_ORACLES is 1.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = join(root, 'native', 'fuzz')
const all = readdirSync(folder).flatMap(name => (name.endsWith('.cc') ? [name.slice(0, -3)] : []))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '600' }, jobs: { type: 'string', default: '1' } }
})
const targets = positionals.length > 0 ? positionals : all
const [seconds, jobs] = [values.seconds, values.jobs].map(Number)

function build(target) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'native/test/run.mjs'), '--build', `fuzz-${target}`],
    { encoding: 'utf8', env: { ...process.env, CXX: 'clang++' } }
  )
  if (status !== 0) throw new Error(`${target} cannot be built\n${stderr}`)
  return stdout.trim()
}

/** Prints a line of totals; the whole log if it crashed. Resolves to whether it did not. */
function fuzz(target, program) {
  const found = join(root, 'node_modules/.cache/fuzz', target)
  mkdirSync(found, { recursive: true })
  const args = [
    `-max_total_time=${seconds}`,
    '-max_len=4096',
    '-timeout=20',
    '-rss_limit_mb=2048',
    '-print_final_stats=1',
    `-artifact_prefix=${found}-`,
    found,
    join(folder, 'corpus', target)
  ]
  const run = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  run.stderr.setEncoding('utf8').on('data', text => {
    log += text
  })
  return new Promise(resolve => {
    run.on('close', status => {
      const coverage = [...log.matchAll(/ cov: (\d+)/g)].at(-1)?.[1] ?? 0
      const executions = log.match(/number_of_executed_units: (\d+)/)?.[1] ?? 0
      if (status !== 0) process.stderr.write(log)
      console.log(`${target}: ${executions} executions, ${coverage} edges, ${status === 0 ? 'no crash' : 'CRASHED'}`)
      resolve(status === 0)
    })
  })
}

async function main() {
  const unknown = targets.filter(target => !all.includes(target))
  if (unknown.length > 0 || !(seconds > 0) || !(jobs >= 1)) {
    console.error(`Usage: npm run fuzz [-- TARGET…] [--seconds N] [--jobs N]\nTargets: ${all.join(' ')}`)
    return 2
  }
  if (spawnSync('clang++', ['--version']).status !== 0) {
    console.error('Not fuzzed: clang++ is not installed')
    return process.env.REQUIRE_ORACLES === '1' ? 1 : 0
  }
  const programs = targets.map(build)
  let next = 0
  let sound = true
  const worker = async () => {
    while (next < targets.length) {
      const i = next++
      if (!(await fuzz(targets[i], programs[i]))) sound = false
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  if (!sound) console.error(`Kept in ${relative(root, join(root, 'node_modules/.cache/fuzz'))}: TARGET-crash-…`)
  return sound ? 0 : 1
}

process.exitCode = await main()
