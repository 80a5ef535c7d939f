// What a splice costs: processor time of whole processes, in turn, as a ratio of the run with nothing spliced.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeFiles } from '../files.mjs'

const SPLICES = ['none', 'stages: {}', 'onProgress', 'observe', 'filter', 'diff', 'sign', 'pack', 'stateEmit']

/** Yields the options of a splice. */
async function optionsOf(splice) {
  const { compose } = await import('../../dist/src/index.js')
  const { observe } = await import('../../dist/src/stages/index.js')
  const pass = async function* (source) {
    for await (const item of source) yield item
  }
  if (splice === 'none') return {}
  if (splice === 'stages: {}') return { stages: {} }
  if (splice === 'onProgress') return { onProgress() {} }
  if (splice === 'observe') return { stages: defaults => ({ ...defaults, filter: observe(() => {}) }) }
  return { stages: defaults => ({ ...defaults, [splice]: compose(pass, defaults[splice]) }) }
}

/** One run in a process of its own: prints its processor time in milliseconds. */
async function run(kind, splice, source, store) {
  const library = await import('../../dist/src/index.js')
  const make = kind === 'full' ? library.fullBackup : library.incrementalBackup
  const options = { key: 'splice', store, cache: false, ...(await optionsOf(splice)) }
  const start = process.cpuUsage()
  const { totals } = await make(source, options)
  const { user, system } = process.cpuUsage(start)
  const isRight = kind === 'full' ? totals.created === totals.entries : totals.unchanged === totals.entries
  if (!isRight) throw new Error(`The ${kind} did not find what it should: ${JSON.stringify(totals)}`)
  console.log(user / 1000, system / 1000)
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}

function measure(kind, source, work, runs) {
  const times = new Map(SPLICES.map(splice => [splice, []]))
  const chain = join(work, 'chain')
  if (kind === 'incremental') child('full', 'none', source, chain)
  for (let i = 0; i < runs; i++) {
    for (const splice of SPLICES) {
      const store = kind === 'full' ? join(work, 'store') : chain
      times.get(splice).push(child(kind, splice, source, store))
      if (kind === 'full') rmSync(store, { recursive: true })
    }
  }
  const base = median(times.get('none'))
  return SPLICES.map(splice => {
    const all = times.get(splice)
    return { kind, splice, ms: median(all), min: Math.min(...all), max: Math.max(...all), ratio: median(all) / base }
  })
}

function child(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--one', ...args], {
    encoding: 'utf8'
  })
  if (status !== 0) throw new Error(stderr)
  return Number(stdout)
}

if (process.argv[2] === '--one') await run(...process.argv.slice(3))
else {
  const { values } = parseArgs({
    options: {
      files: { type: 'string', default: '50000' },
      runs: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false }
    }
  })
  const work = mkdtempSync(join(tmpdir(), 'ibt-splice-'))
  try {
    const source = join(work, 'source')
    makeFiles(source, Number(values.files))
    const load = loadavg()[0]
    const rows = ['full', 'incremental'].flatMap(kind => measure(kind, source, work, Number(values.runs)))
    if (values.json) console.log(JSON.stringify({ node: process.version, load, files: Number(values.files), rows }))
    else {
      console.log(`${values.files} files, ${availableParallelism()} cores, Node ${process.version}, load ${load}`)
      console.log('| kind | splice | ms of processor time (min–max) | ratio |\n|---|---|---|---|')
      for (const { kind, splice, ms, min, max, ratio } of rows) {
        const spread = `${ms.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`
        console.log(`| ${kind} | ${splice} | ${spread} | ${ratio.toFixed(2)} |`)
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
