// Time and peak memory of runs as a tree grows: a full, a run without changes, one of a few changes, a restore.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeFiles } from '../files.mjs'
import { BIN, median, timed } from '../timed.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '10000,100000,1000000' },
    runs: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    work: { type: 'string', default: tmpdir() }
  }
})
const base = mkdtempSync(join(values.work, 'ibt-scale-'))
const runs = values.quick ? 1 : Number(values.runs)

function measure(files) {
  const work = join(base, String(files))
  const source = join(work, 'source')
  mkdirSync(source, { recursive: true })
  makeFiles(source, files)
  const ibt = (...args) =>
    timed([process.execPath, BIN, ...args, '--quiet', '--store', 'store', '--cache', 'cache'], work)
  const full = ibt('full', 'source')
  const same = Array.from({ length: runs }, () => ibt('incremental', 'source'))
  appendFileSync(join(source, '0', '0', 'file-1'), 'changed')
  appendFileSync(join(source, 'a new file'), 'new')
  const few = ibt('incremental', 'source')
  const restore = ibt('restore', 'source', 'out')
  const none = {
    seconds: median(same.map(({ seconds }) => seconds)),
    mebibytes: Math.max(...same.map(run => run.mebibytes))
  }
  return { files, full, none, few, restore }
}

const loadBefore = loadavg()[0]
const rows = []
try {
  for (const files of (values.quick ? '1000,10000' : values.files).split(',')) rows.push(measure(Number(files)))
} finally {
  // Not before: ext4 looks long for inodes while others were freed just now.
  rmSync(base, { recursive: true, force: true })
}
if (values.json) console.log(JSON.stringify({ node: process.version, runs, loadBefore, rows }))
else {
  const { length } = cpus()
  console.log(`${length} × ${cpus()[0].model.trim()}, Node ${process.version}, load ${loadBefore.toFixed(1)} before\n`)
  console.log('| files | full | no change | two changes | restore |\n|---|---|---|---|---|')
  for (const { files, full, none, few, restore } of rows) {
    const shown = ({ seconds, mebibytes }) =>
      `${seconds.toFixed(2)} s, ${((seconds / files) * 1e6).toFixed(0)} µs a file, ${mebibytes.toFixed(0)} MiB`
    console.log(`| ${files.toLocaleString('en')} | ${[full, none, few, restore].map(shown).join(' | ')} |`)
  }
}
