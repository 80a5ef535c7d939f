// Times whole processes, ours and those of other tools, in turn. Prints medians with the spread, and ratios.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    work: { type: 'string' }
  }
})
const [older, newer] = positionals.map(path => resolve(path))
if (newer === undefined) {
  console.error('Usage: node bench/tree/run.mjs OLD NEW [--runs 5] [--json] [--work DIR]')
  process.exit(2)
}
const runs = Number(values.runs)
const work = mkdtempSync(join(values.work ?? tmpdir(), 'ibt-bench-'))
const bin = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin/ibt.cjs')
const ibt = (...args) => [
  process.execPath,
  bin,
  ...args,
  '--quiet',
  '--store',
  'ours',
  '--cache',
  'cache',
  '--key',
  'tree'
]
const ibtRead = (...args) => [process.execPath, bin, ...args, '--quiet', '--store', 'ours', '--cache', 'cache']
const shell = command => ['sh', '-c', command]
const restic = (...args) => ['restic', '-q', '-r', 'restic', '--cache-dir', 'restic-cache', ...args]
process.env.RESTIC_PASSWORD = 'bench'

/** ext4 looks long for inodes that were not freed just now: what was restored is removed when all is measured. */
const ASIDE = 'if [ -d out ]; then mkdir -p aside; mv out aside/$$; fi'

/** Each case: what comes before every run (not timed), and the commands. `sync -d` stands in for the fsync of ours. */
const cases = [
  {
    name: 'full',
    tools: {
      ibt: { before: 'rm -rf ours cache', run: ibt('full', older), stored: 'ours' },
      'tar --zstd': {
        before: 'rm -f tar.zst',
        run: shell(`tar --zstd -C '${older}' -cf tar.zst . && sync -d tar.zst`),
        stored: 'tar.zst'
      },
      restic: {
        before: 'rm -rf restic restic-cache; restic -q -r restic init',
        run: restic('backup', older),
        stored: 'restic'
      }
    }
  },
  {
    name: 'no change',
    tools: {
      ibt: { run: ibt('incremental', older) },
      'rsync -a': {
        before: `[ -d mirror ] || cp -a '${older}' mirror`,
        run: ['rsync', '-a', '--delete', `${older}/`, 'mirror/']
      },
      restic: { run: restic('backup', older) }
    }
  },
  {
    name: 'incremental',
    tools: {
      ibt: {
        before: `rm -rf ours cache; ${quote(ibt('full', older))}`,
        run: [...ibt('incremental', newer), '--allow-source-mismatch'],
        stored: 'ours',
        base: true
      },
      restic: {
        before: `rm -rf restic restic-cache; restic -q -r restic init; ${quote(restic('backup', older))}`,
        run: restic('backup', newer),
        stored: 'restic',
        base: true
      }
    }
  },
  {
    name: 'restore',
    tools: {
      ibt: { before: ASIDE, run: ibtRead('restore', 'tree', 'out') },
      'tar -xf': {
        before: `${ASIDE}; mkdir out; [ -f new.tar ] || tar -C '${newer}' -cf new.tar .`,
        run: ['tar', '-C', 'out', '-xf', 'new.tar']
      },
      restic: { before: ASIDE, run: restic('restore', 'latest', '--target', 'out') }
    }
  }
]

function quote(command) {
  return command.map(word => `'${word}'`).join(' ')
}

function timed({ run }) {
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '%e %M', ...run], { cwd: work, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${run.join(' ')} ended with ${status}: ${stderr}`)
  const [seconds, kilobytes] = stderr.trim().split('\n').at(-1).split(' ').map(Number)
  return { seconds, mebibytes: kilobytes / 1024 }
}

function bytesOf(path) {
  const stat = statSync(path)
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0) : stat.size
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
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
    for (const row of rows) {
      const tool = tools[row.tool]
      if (tool.before !== undefined)
        execFileSync('sh', ['-c', tool.before], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] })
      const base = tool.base ? bytesOf(join(work, tool.stored)) : 0
      const { seconds, mebibytes } = timed(tool)
      row.seconds.push(seconds)
      row.mebibytes.push(mebibytes)
      if (tool.stored !== undefined) row.storedBytes = bytesOf(join(work, tool.stored)) - base
    }
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
  const rows = cases.flatMap(measure)
  if (values.json)
    console.log(JSON.stringify({ cpu: cpus()[0].model, cores: cpus().length, node: process.version, runs, rows }))
  else {
    console.log(
      `${cpus().length} × ${cpus()[0].model.trim()}, Node ${process.version}, ${runs} runs in turn, warm cache\n`
    )
    console.log('| case | tool | median (min–max) | ours / theirs | peak memory | stored |\n|---|---|---|---|---|---|')
    for (const { case: name, tool, median: m, min, max, ratio, peak, storedBytes } of rows) {
      const stored = storedBytes === undefined ? '' : `${(storedBytes / 1e6).toFixed(1)} MB`
      const share = tool === 'ibt' ? '' : `${ratio.toFixed(2)} ×`
      console.log(
        `| ${name} | ${tool} | ${m.toFixed(2)} s (${min.toFixed(2)}–${max.toFixed(2)}) | ${share} | ${peak.toFixed(0)} MiB | ${stored} |`
      )
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
