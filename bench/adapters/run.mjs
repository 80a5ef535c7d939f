// What an adapter costs: time and processor time of whole processes, in turn, as ratios of the plain pipeline.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createRandom } from '../../dist/test/helpers/random.js'
import { makeFiles } from '../files.mjs'
import { median } from '../timed.mjs'
import { OPTIONS, SLOW_STORES, STORES, STREAMS, servedMs, storeIn } from './cases.mjs'

const ADAPTERS = { ...STORES, ...OPTIONS }
/** The first case of a group is what the others are compared with. */
const GROUPS = {
  'a tar': Object.keys(STREAMS),
  'a full': Object.keys(ADAPTERS),
  'a full into slow stores': Object.keys(SLOW_STORES),
  'a restore': Object.keys(ADAPTERS)
}

/** Work that is to be measured. */
async function prepare(group, name, source, work) {
  if (group === 'a tar') return tar(name, source)
  const { fullBackup, restoreBackup } = await import('../../dist/src/index.js')
  const stores = await import('../../dist/src/stores/index.js')
  const store = await ({ ...STORES, ...SLOW_STORES }[name] ?? STORES.plain)(storeIn(work, stores), stores)
  const { codecs, ...options } = { store, cache: false, ...(await OPTIONS[name]?.()) }
  const full = () => fullBackup(source, { key: 'adapters', ...options })
  if (group !== 'a restore') return full
  await full()
  return () => restoreBackup('adapters', join(work, 'restored'), { store, cache: false, codecs })
}

async function tar(name, source) {
  const library = await import('../../dist/src/index.js')
  const { walk, pack, only, limitRate } = await import('../../dist/src/stages/index.js')
  const interop = await import('../../dist/src/interop/index.js')
  const nothing = new Writable({ write: (_, __, done) => done() })
  const steps = STREAMS[name]({ ...interop, limitRate })
  return () => library.pipe(walk(source), pack({ whole: 'full' }), only('full'), ...steps, nothing)
}

/** One run in a process of its own: prints milliseconds on the clock and of the processor, also that of a server. */
async function one(group, name, source, work) {
  const run = await prepare(group, name, source, work)
  const before = await servedMs()
  const [start, begin] = [process.cpuUsage(), performance.now()]
  await run()
  const wall = performance.now() - begin
  const { user, system } = process.cpuUsage(start)
  console.log(JSON.stringify([wall, (user + system) / 1000 + (await servedMs()) - before]))
  process.exit()
}

function measure(group, source, work, runs) {
  const names = GROUPS[group]
  const found = new Map(names.map(name => [name, []]))
  for (let i = 0; i < runs; i++) {
    for (const name of names) {
      const args = [fileURLToPath(import.meta.url), '--one', group, name, source, work]
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
      if (status !== 0) throw new Error(`${name}: ${stderr}`)
      found.get(name).push(JSON.parse(stdout))
      for (const made of ['store', 'store-2', 'restored']) rmSync(join(work, made), { recursive: true, force: true })
    }
  }
  const columns = [...found].map(([name, figures]) => ({
    name,
    wall: figures.map(([ms]) => ms),
    cpu: figures.map(([, ms]) => ms)
  }))
  return columns.map(({ name, wall, cpu }) => {
    const ratios = [median(wall) / median(columns[0].wall), median(cpu) / median(columns[0].cpu)].map(n => n.toFixed(2))
    const [low, high] = [Math.min(...wall), Math.max(...wall)].map(Math.round)
    return `| ${group}, ${name} | ${median(wall).toFixed(0)} (${low}–${high}) | ${ratios[0]} | ${median(cpu).toFixed(0)} | ${ratios[1]} |`
  })
}

/** What does not compress is the worst case: an adapter sees every byte of it. */
function makeSource(source, files, mebibytes) {
  mkdirSync(source)
  makeFiles(join(source, 'small'), files)
  const random = createRandom(1)
  for (let i = 0; i < 4; i++) writeFileSync(join(source, `large${i}`), random.bytes((mebibytes << 20) / 4))
}

if (process.argv[2] === '--one') await one(...process.argv.slice(3))
else {
  const options = {
    files: { type: 'string', default: '5000' },
    mebibytes: { type: 'string', default: '256' },
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    source: { type: 'string' }
  }
  const { files, mebibytes, runs, only, source: given } = parseArgs({ options }).values
  const work = mkdtempSync(join(tmpdir(), 'ibt-adapters-'))
  try {
    const source = given ?? join(work, 'source')
    if (given === undefined) makeSource(source, Number(files), Number(mebibytes))
    const load = () => loadavg()[0].toFixed(1)
    const what = given === undefined ? `${files} files, ${mebibytes} MiB` : 'a tree that was given'
    console.log(`${what}, ${availableParallelism()} cores, Node ${process.version}, load ${load()}`)
    console.log('| adapter | ms (min–max) | ratio | processor ms | ratio |\n|---|---|---|---|---|')
    for (const group of Object.keys(GROUPS).filter(group => group.includes(only))) {
      for (const row of measure(group, source, work, Number(runs))) console.log(row)
    }
    console.log(`load ${load()} at the end`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
