// What a mirror costs beside its slower store: processor time and wall time of storing the same bytes.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { median } from '../timed.mjs'

const CASES = ['directory', 'slow', 'mirror of both', 'mirror of two directories', 'two puts, one after the other']

/** Stores of one case, and what puts into them. */
async function storesOf(name, work, rate) {
  const { directoryStore, mirror, rateLimited } = await import('../../dist/src/stores/index.js')
  const disk = directory => directoryStore(join(work, directory))
  const slow = () => rateLimited(disk('b'), rate)
  if (name === 'directory') return [disk('a')]
  if (name === 'slow') return [slow()]
  if (name === 'mirror of both') return [mirror([disk('a'), slow()])]
  if (name === 'mirror of two directories') return [mirror([disk('a'), disk('b')])]
  return [disk('a'), disk('b')]
}

/** One case in a process of its own: prints milliseconds of the processor and of the clock. */
async function one(name, work, mebibytes, rate) {
  const stores = await storesOf(name, work, rate)
  const chunk = Buffer.alloc(1024 * 1024, 'abcdefgh')
  function* source() {
    for (let i = 0; i < Number(mebibytes); i++) yield chunk
  }
  const [cpu, clock] = [process.cpuUsage(), performance.now()]
  for (const store of stores) await store.put('name', source())
  const { user, system } = process.cpuUsage(cpu)
  console.log(JSON.stringify({ cpuMs: (user + system) / 1000, wallMs: performance.now() - clock }))
}

if (process.argv[2] === '--one') await one(...process.argv.slice(3))
else {
  const { values } = parseArgs({
    options: {
      mebibytes: { type: 'string', default: '512' },
      rate: { type: 'string', default: '200 MB/s' },
      runs: { type: 'string', default: '5' }
    }
  })
  const found = new Map(CASES.map(name => [name, []]))
  for (let i = 0; i < Number(values.runs); i++) {
    for (const name of CASES) {
      const work = mkdtempSync(join(tmpdir(), 'ibt-mirror-'))
      const args = [fileURLToPath(import.meta.url), '--one', name, work, values.mebibytes, values.rate]
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
      rmSync(work, { recursive: true })
      if (status !== 0) throw new Error(stderr)
      found.get(name).push(JSON.parse(stdout))
    }
  }
  console.log(`Node ${process.version}, ${availableParallelism()} processors, load ${loadavg()[0].toFixed(1)}`)
  console.log('| case | processor, ms | wall, ms |\n|---|---|---|')
  for (const [name, runs] of found) {
    const [cpu, wall] = ['cpuMs', 'wallMs'].map(field => Math.round(median(runs.map(run => run[field]))))
    console.log(`| ${name} | ${cpu} | ${wall} |`)
  }
}
