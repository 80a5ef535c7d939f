// What a restore of the last date of a chain takes, against that of a fresh full of the same data.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { BIN, median } from '../timed.mjs'
import { fileHistory, treeHistory } from './history.mjs'
import { measured } from './measured.mjs'

const { values } = parseArgs({
  options: {
    file: { type: 'string', default: '1024' },
    increments: { type: 'string', default: '30,100' },
    files: { type: 'string', default: '10000' },
    share: { type: 'string', default: '0.01' },
    range: { type: 'string', default: '512' },
    runs: { type: 'string', default: '5' },
    rivals: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    work: { type: 'string', default: tmpdir() }
  }
})
const quick = values.quick ? { file: '64', increments: '10', files: '1000', runs: '1' } : {}
const settings = { ...values, ...quick }
const runs = Number(settings.runs)
const share = Number(settings.share)
const base = mkdtempSync(join(settings.work, 'ibt-chain-'))

const ibt = {
  name: 'ibt',
  backup: (source, store) => [process.execPath, BIN, 'backup', source, '--quiet', '--store', store, '--cache', 'cache'],
  restore: (store, out) => [
    process.execPath,
    BIN,
    'restore',
    'source',
    out,
    '--quiet',
    '--store',
    store,
    '--cache',
    'cache'
  ]
}
const RIVALS = [
  {
    name: 'duplicity',
    backup: (source, store) => ['duplicity', '--no-encryption', '--archive-dir', 'archive', source, `file://${store}`],
    restore: (store, out) => [
      'duplicity',
      'restore',
      '--no-encryption',
      '--archive-dir',
      'archive',
      `file://${store}`,
      out
    ]
  },
  {
    name: 'rdiff-backup',
    backup: (source, store) => ['rdiff-backup', 'backup', source, store],
    restore: (store, out) => ['rdiff-backup', 'restore', store, out]
  }
]

/** The history of a source, backed up by a tool into a chain; at the end into a fresh full, too. */
async function measure(title, tool, days, makeHistory) {
  const work = mkdtempSync(join(base, 'case-'))
  const [source, chain, fresh] = ['source', 'chain', 'fresh'].map(name => join(work, name))
  mkdirSync(work, { recursive: true })
  const edit = makeHistory(source)
  await measured(tool.backup(source, chain), work)
  for (let day = 1; day <= days; day++) {
    edit(day)
    // Others name their backups by the second.
    if (tool !== ibt) await setTimeout(1000)
    await measured(tool.backup(source, chain), work)
  }
  await measured(tool.backup(source, fresh), work)
  const found = { chain: [], fresh: [] }
  for (let run = 0; run < runs; run++) {
    for (const [name, store] of Object.entries({ chain, fresh })) {
      const out = join(work, 'out')
      found[name].push(await measured(tool.restore(store, out), work))
      const { status } = spawnSync('diff', ['-r', source, out])
      if (status !== 0) throw new Error(`${tool.name} has restored something else`)
      rmSync(out, { recursive: true })
    }
  }
  rmSync(work, { recursive: true })
  const figures = list => ({
    processor: median(list.map(({ processor }) => processor)),
    wall: median(list.map(({ wall }) => wall)),
    mebibytes: Math.max(...list.map(({ mebibytes }) => mebibytes)),
    spooled: Math.max(...list.map(({ spooled }) => spooled))
  })
  return { title, tool: tool.name, chain: figures(found.chain), fresh: figures(found.fresh) }
}

const loadBefore = loadavg()[0]
const rows = []
try {
  const sizeBytes = Number(settings.file) * 2 ** 20
  const rangeBytes = Number(settings.range) * 1024
  for (const tool of settings.rivals ? [ibt, ...RIVALS] : [ibt]) {
    for (const days of settings.increments.split(',').map(Number)) {
      if (sizeBytes === 0) continue
      const history = source => fileHistory(source, { sizeBytes, share, rangeBytes })
      rows.push(await measure(`a file of ${settings.file} MiB, ${days} increments`, tool, days, history))
    }
    const files = Number(settings.files)
    const days = Math.min(30, Number(settings.increments.split(',')[0]))
    const history = source => treeHistory(source, { files, share })
    if (files > 0) rows.push(await measure(`${settings.files} files, ${days} increments`, tool, days, history))
  }
} finally {
  rmSync(base, { recursive: true, force: true })
}
if (settings.json) console.log(JSON.stringify({ node: process.version, settings, loadBefore, rows }))
else {
  const { length } = cpus()
  const load = `load ${loadBefore.toFixed(1)} before, ${loadavg()[0].toFixed(1)} after`
  console.log(`${length} × ${cpus()[0].model.trim()}, Node ${process.version}, ${load}\n`)
  console.log('| history | tool | last date of the chain | fresh full | processor | wall |\n|---|---|---|---|---|---|')
  const shown = ({ processor, wall, mebibytes, spooled }) =>
    `${processor.toFixed(2)} s, ${wall.toFixed(2)} s wall, ${mebibytes.toFixed(0)} MiB, spool ${spooled.toFixed(0)} MiB`
  const ratio = (a, b) => `${(a / b).toFixed(2)} ×`
  for (const { title, tool, chain, fresh } of rows) {
    const ratios = [ratio(chain.processor, fresh.processor), ratio(chain.wall, fresh.wall)]
    console.log(`| ${[title, tool, shown(chain), shown(fresh), ...ratios].join(' | ')} |`)
  }
}
