// What the engine takes beside rdiff and librsync. Prints every figure with its spread, and the machine.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { makeCorpus } from './corpus.mjs'
import { runLibrary } from './library.mjs'
import { CASES, runProcesses } from './processes.mjs'
import { runSmallFiles } from './small-files.mjs'

const PARTS = ['processes', 'small-files', 'library']
const LEVELS = ['avx512', 'avx2', 'portable']
const USAGE = `Usage: node bench/engine/run.mjs [DIR] [--quick] [--runs 5] [--parts ${PARTS.join(',')}]
  [--cases ${CASES.join(',')}] [--levels ${LEVELS.join(',')}] [--threads 1,2]
  [--mib 1024] [--files 20000] [--patience SECONDS] [--work DIR] [--json]
DIR has big.a, big.b and big.c; what it lacks is made. Without it all is made, and removed.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    runs: { type: 'string' },
    parts: { type: 'string', default: PARTS.join(',') },
    cases: { type: 'string', default: CASES.join(',') },
    levels: { type: 'string' },
    threads: { type: 'string', default: '1,2' },
    mib: { type: 'string' },
    files: { type: 'string' },
    patience: { type: 'string', default: '0' },
    work: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
})
if (positionals.length > 1) {
  console.error(USAGE)
  process.exit(2)
}

/** Of vector instructions, of those that this processor has. */
function levelsHere() {
  const flags = readFileSync('/proc/cpuinfo', 'utf8')
  return LEVELS.filter(level => level === 'portable' || flags.includes(level === 'avx512' ? 'avx512_vnni' : level))
}

const list = text => text.split(',')
const runs = Number(values.runs ?? (values.quick ? 2 : 5))
const mib = Number(values.mib ?? (values.quick ? 256 : 1024))
const files = Number(values.files ?? (values.quick ? 2000 : 20_000))
const threads = list(values.threads).map(Number)
const levels = values.levels === undefined ? levelsHere() : list(values.levels)
const work = mkdtempSync(join(values.work ?? tmpdir(), 'ibt-bench-'))

function run() {
  const parts = list(values.parts)
  const edits = Math.round((1000 * mib) / 1024)
  const needsCorpus = parts.some(part => part !== 'small-files')
  const corpus = needsCorpus ? makeCorpus(resolve(positionals[0] ?? work), mib, edits) : undefined
  const turns = { runs, patience: Number(values.patience) }
  const options = { ...turns, corpus, work, files, cases: list(values.cases), levels, threads }
  const tables = {}
  const print = (name, rows) => {
    tables[name] = rows
    if (!values.json) console.table(rows)
  }
  if (parts.includes('processes')) print('processes', runProcesses(options))
  if (parts.includes('small-files')) print('smallFiles', runSmallFiles(options))
  if (parts.includes('library')) {
    for (const [name, rows] of Object.entries(runLibrary(options))) print(name, rows)
  }
  return tables
}

try {
  const before = loadavg()[0]
  const tables = run()
  const machine = {
    cpu: cpus()[0].model,
    cores: cpus().length,
    node: process.version,
    rdiff: execFileSync('rdiff', ['--version'], { encoding: 'utf8' }).split('\n')[0],
    runs,
    load: [before, loadavg()[0]].map(load => load.toFixed(1)).join(' to ')
  }
  if (values.json) console.log(JSON.stringify({ machine, ...tables }, undefined, 2))
  else console.log(machine)
} finally {
  rmSync(work, { recursive: true, force: true })
}
