// Times whole processes, ours and those of other tools, in turn. Prints medians with the spread, and ratios.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { median, timed } from '../timed.mjs'
import { makeCases } from './cases.mjs'
import { makeTrees } from './corpus.mjs'
import { chart, table } from './show.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    cases: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    svg: { type: 'string' },
    work: { type: 'string' }
  }
})
if (positionals.length !== 2 && positionals.length !== 0) {
  console.error(
    'Usage: node bench/tree/run.mjs [OLD NEW] [--quick] [--runs 5] [--cases NAMES] [--json] [--svg FILE] [--work DIR]'
  )
  process.exit(2)
}
const runs = values.quick ? 1 : Number(values.runs)
const work = mkdtempSync(join(values.work ?? tmpdir(), 'ibt-bench-'))
process.env.RESTIC_PASSWORD = 'bench'
process.env.BORG_BASE_DIR = work
process.env.BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK = 'yes'

function bytesOf(path) {
  const stat = statSync(path)
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0) : stat.size
}

function runOnce(tool, row) {
  if (tool.before !== undefined)
    execFileSync('sh', ['-c', tool.before], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] })
  const base = tool.base ? bytesOf(join(work, tool.stored)) : 0
  const { seconds, mebibytes } = timed(tool.run, work)
  row.seconds.push(seconds)
  row.mebibytes.push(mebibytes)
  if (tool.stored !== undefined) row.storedBytes = bytesOf(join(work, tool.stored)) - base
}

function measure({ name, tools }) {
  const rows = Object.keys(tools).map(tool => ({
    case: name,
    tool,
    seconds: [],
    mebibytes: [],
    storedBytes: undefined
  }))
  for (let i = 0; i < runs; i++) {
    for (const row of rows) if (i === 0 || !tools[row.tool].slow) runOnce(tools[row.tool], row)
  }
  const ours = median(rows[0].seconds)
  return rows.map(row => ({
    ...row,
    median: median(row.seconds),
    min: Math.min(...row.seconds),
    max: Math.max(...row.seconds),
    ratio: ours / median(row.seconds),
    peak: Math.max(...row.mebibytes)
  }))
}

try {
  const [older, newer] =
    positionals.length === 2 ? positionals.map(path => resolve(path)) : makeTrees(work, values.quick ? 5000 : 50_000)
  const cases = makeCases(older, newer, values.quick ? 128 : 1024)
  const wanted = values.cases?.split(',')
  const loadBefore = loadavg()[0]
  const rows = cases.filter(({ name }) => wanted?.some(part => name.includes(part)) ?? true).flatMap(measure)
  const machine = { cpu: cpus()[0].model.trim(), cores: cpus().length, node: process.version, runs, loadBefore }
  if (values.svg !== undefined) writeFileSync(values.svg, chart(rows))
  if (values.json) console.log(JSON.stringify({ ...machine, rows }))
  else {
    const { cores, cpu, node } = machine
    console.log(`${cores} × ${cpu}, Node ${node}, ${runs} in turn, warm cache, load ${loadBefore.toFixed(1)} before\n`)
    console.log(table(rows))
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
