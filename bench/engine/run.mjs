// Times whole processes, rdiff's and ours at each level of vector instructions, in turn. Prints medians with the
// spread, the ratios within each round, CPU time and peak memory; and checks that the results are what they should be.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const usage =
  'Usage: node bench/engine/run.mjs DIR [--runs 5] [--cases signature,identical,edited,new,patch] [--work DIR] [--json]'
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    cases: { type: 'string', default: 'signature,identical,edited,new,patch' },
    work: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
})
if (positionals.length !== 1) {
  console.error(usage)
  process.exit(2)
}
const runs = Number(values.runs)
const corpus = resolve(positionals[0])
const [basis, edited, unrelated] = ['big.a', 'big.b', 'big.c'].map(name => join(corpus, name))
const work = mkdtempSync(join(values.work ?? tmpdir(), 'ibt-bench-'))
const bin = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin/ibt.cjs')
const out = join(work, 'out')
const signature = join(work, 'signature')
const delta = join(work, 'delta')
const LEVELS = ['avx512', 'avx2', 'portable']

/** The arguments are the same for both; the patch does not depend on the level. */
const cases = {
  signature: { args: ['signature', basis, out], reads: [basis], levels: LEVELS, check: sameAs(signature) },
  identical: { args: ['delta', signature, basis, out], reads: [basis], levels: LEVELS, check: makes(basis) },
  edited: { args: ['delta', signature, edited, out], reads: [edited], levels: LEVELS, check: makes(edited) },
  new: { args: ['delta', signature, unrelated, out], reads: [unrelated], levels: LEVELS, check: makes(unrelated) },
  patch: { args: ['patch', basis, delta, out], reads: [basis, delta], levels: ['avx512'], check: sameAs(edited) }
}

function sameAs(file) {
  return () => execFileSync('cmp', [out, file])
}

function makes(content) {
  return () => {
    const made = join(work, 'made')
    execFileSync('rdiff', ['patch', basis, out, made])
    execFileSync('cmp', [made, content])
    rmSync(made)
  }
}

/** Runs it under GNU time: seconds of wall clock and of CPU, peak memory in MiB. */
function measure(command, level) {
  rmSync(out, { force: true })
  const report = join(work, 'time')
  const env = { ...process.env, IBT_SIMD: level ?? '' }
  const result = spawnSync('/usr/bin/time', ['-f', '%e %U %S %M', '-o', report, ...command], { env })
  if (result.status !== 0) throw new Error(`${command.join(' ')}: ${result.stderr}`)
  const [wall, user, system, rss] = readFileSync(report, 'utf8').trim().split(' ').map(Number)
  return { wall, cpu: user + system, rss: rss / 1024 }
}

const sorted = numbers => [...numbers].sort((a, b) => a - b)
const median = numbers => sorted(numbers)[Math.floor(numbers.length / 2)]
const spread = (numbers, digits) => {
  const all = sorted(numbers)
  return `${median(all).toFixed(digits)} (${all[0].toFixed(digits)}-${all.at(-1).toFixed(digits)})`
}

function runCase(name) {
  const { args, reads, levels, check } = cases[name]
  const tools = [
    { name: 'rdiff', command: ['rdiff', ...args] },
    ...levels.map(level => ({ name: `ibt ${level}`, command: [process.execPath, bin, ...args], level }))
  ].map(tool => ({ ...tool, samples: [] }))
  for (const file of reads) execFileSync('cat', [file], { stdio: ['ignore', 'ignore', 'inherit'] })
  for (let run = 0; run < runs; run++) {
    // Each round begins with another tool, so that none always follows the same one.
    for (let i = 0; i < tools.length; i++) {
      const tool = tools[(run + i) % tools.length]
      tool.samples.push(measure(tool.command, tool.level))
      tool.bytes = statSync(out).size
      if (run === 0) check()
    }
  }
  return tools.map(({ name: tool, samples, bytes }) => {
    const of = key => samples.map(sample => sample[key])
    const ratio = key => tools[0].samples.map((rdiff, run) => rdiff[key] / samples[run][key])
    return {
      case: name,
      tool,
      seconds: spread(of('wall'), 2),
      cpuSeconds: spread(of('cpu'), 2),
      timesFaster: spread(ratio('wall'), 1),
      timesLessCpu: spread(ratio('cpu'), 1),
      peakMiB: Math.max(...of('rss')).toFixed(0),
      bytes
    }
  })
}

try {
  execFileSync('rdiff', ['signature', basis, signature])
  execFileSync('rdiff', ['delta', signature, edited, delta])
  const before = loadavg()[0]
  const rows = values.cases.split(',').flatMap(runCase)
  const machine = {
    cpu: cpus()[0].model,
    cores: cpus().length,
    node: process.version,
    rdiff: execFileSync('rdiff', ['--version'], { encoding: 'utf8' }).split('\n')[0],
    runs,
    load: [before, loadavg()[0]].map(load => load.toFixed(1)).join(' to ')
  }
  if (values.json) console.log(JSON.stringify({ machine, rows }, undefined, 2))
  else {
    console.log(machine)
    console.table(rows)
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
