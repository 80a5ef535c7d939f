// What an adapter costs: time and processor time of whole processes, in turn, as ratios of the plain pipeline.
import { fork, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Transform as StreamxTransform } from 'streamx'
import { createRandom } from '../../dist/test/helpers/random.js'
import { makeFiles } from '../files.mjs'

/** Two ends of a connection of this machine, and what closes them. */
async function connection() {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const near = connect({ port: server.address().port, allowHalfOpen: true })
  const [far] = await accepted
  server.close()
  return { near, far }
}

let serving

/** A process of its own that serves a directory. */
function server(directory) {
  serving = fork(fileURLToPath(import.meta.url), ['--serve', directory])
  return serving
}

async function serve(directory) {
  const { directoryStore, serveStore } = await import('../../dist/src/stores/index.js')
  const listening = createServer({ allowHalfOpen: true }, socket => serveStore(socket, directoryStore(directory)))
  listening.listen(0, '127.0.0.1', () => process.send(listening.address().port))
  const start = process.cpuUsage()
  process.on('message', () => {
    const { user, system } = process.cpuUsage(start)
    process.send((user + system) / 1000, () => process.exit())
  })
}

/** Milliseconds of the processor that the server has taken. */
async function served() {
  if (serving === undefined) return 0
  serving.send('end')
  return (await once(serving, 'message'))[0]
}

/** Bytes of a plain tar, through a stream of each make, into nothing. */
const TARS = {
  'plain tar': () => [],
  'Node transform': () => [new PassThrough()],
  'streamx transform': () => [new StreamxTransform()],
  'web transform': () => [new TransformStream()],
  'a stage as a Duplex': ({ stageToDuplex }) => [stageToDuplex(passAll)],
  limitRate: ({ limitRate }) => [limitRate('100 GB/s')],
  'stream/iter transform': ({ fromIterTransform }) => [fromIterTransform(batch => batch)]
}

async function* passAll(source) {
  yield* source
}

async function tar(name, source) {
  const library = await import('../../dist/src/index.js')
  const { walk, pack, only, limitRate } = await import('../../dist/src/stages/index.js')
  const interop = await import('../../dist/src/interop/index.js')
  const nothing = new Writable({ write: (_, __, done) => done() })
  const steps = TARS[name]({ ...interop, limitRate })
  await library.pipe(walk(source), pack({ whole: 'full' }), only('full'), ...steps, nothing)
}

/** A full backup into a directory, by way of each store. */
const STORES = {
  'plain full': disk => disk,
  prefixed: (disk, { prefixed }) => prefixed(disk, 'host.'),
  opaqueNames: (disk, { opaqueNames }) => opaqueNames(disk, 'a secret of sixteen bytes'),
  retrying: (disk, { retrying }) => retrying(disk),
  rateLimited: (disk, { rateLimited }) => rateLimited(disk, '100 GB/s'),
  remoteStore: async (disk, { remoteStore, serveStore }) => {
    const { near, far } = await connection()
    serveStore(far, disk).catch(() => {})
    return remoteStore(() => near)
  },
  'remoteStore, server apart': async (disk, { remoteStore }) => {
    const [port] = await once(await server(disk.path), 'message')
    return remoteStore(() => connect(port, '127.0.0.1'))
  },
  'mirror of two': (disk, { directoryStore, mirror }) => mirror([disk, directoryStore(`${disk.places[0]}-2`)])
}

/** A full backup with each option. */
const OPTIONS = {
  signKey: () => ({ signKey: generateKeyPairSync('ed25519').privateKey }),
  'encrypt: age': async () => {
    const { age } = await import('../../dist/src/age/index.js')
    const { generateX25519Identity, identityToRecipient } = await import('age-encryption')
    return { encrypt: age({ recipients: [await identityToRecipient(await generateX25519Identity())] }) }
  }
}

async function full(name, source, work) {
  const { fullBackup } = await import('../../dist/src/index.js')
  const stores = await import('../../dist/src/stores/index.js')
  const disk = stores.directoryStore(join(work, 'store'))
  const store = await (STORES[name] ?? STORES['plain full'])(disk, stores)
  await fullBackup(source, { key: 'adapters', store, cache: false, ...(await OPTIONS[name]?.()) })
}

/** One run in a process of its own: prints milliseconds on the clock and of the processor. */
async function one(name, source, work) {
  const begin = performance.now()
  const start = process.cpuUsage()
  await (Object.hasOwn(TARS, name) ? tar(name, source) : full(name, source, work))
  const { user, system } = process.cpuUsage(start)
  const wall = performance.now() - begin
  console.log(JSON.stringify([wall, (user + system) / 1000 + (await served())]))
  process.exit()
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}

function measure(names, source, work, runs) {
  const found = new Map(names.map(name => [name, []]))
  for (let i = 0; i < runs; i++) {
    for (const name of names) {
      const args = [fileURLToPath(import.meta.url), '--one', name, source, work]
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
      if (status !== 0) throw new Error(`${name}: ${stderr}`)
      found.get(name).push(JSON.parse(stdout))
      for (const store of ['store', 'store-2']) rmSync(join(work, store), { recursive: true, force: true })
    }
  }
  const figures = names.map(name => [0, 1].map(column => found.get(name).map(figure => figure[column])))
  const [wallBase, cpuBase] = figures[0].map(median)
  return names.map((name, i) => {
    const [wall, cpu] = figures[i]
    return {
      name,
      wall: median(wall),
      min: Math.min(...wall),
      max: Math.max(...wall),
      cpu: median(cpu),
      wallBase,
      cpuBase
    }
  })
}

if (process.argv[2] === '--serve') await serve(process.argv[3])
else if (process.argv[2] === '--one') await one(...process.argv.slice(3))
else {
  const { values } = parseArgs({
    options: {
      files: { type: 'string', default: '5000' },
      mebibytes: { type: 'string', default: '256' },
      runs: { type: 'string', default: '5' }
    }
  })
  const work = mkdtempSync(join(tmpdir(), 'ibt-adapters-'))
  try {
    const source = join(work, 'source')
    mkdirSync(source)
    makeFiles(join(source, 'small'), Number(values.files))
    const random = createRandom(1)
    for (let i = 0; i < 4; i++)
      writeFileSync(join(source, `large${i}`), random.bytes((Number(values.mebibytes) << 20) / 4))
    const load = loadavg()[0].toFixed(1)
    console.log(
      `${values.files} files, ${values.mebibytes} MiB, ${availableParallelism()} cores, Node ${process.version}, load ${load}`
    )
    console.log('| adapter | ms (min–max) | ratio | processor ms | ratio |\n|---|---|---|---|---|')
    const groups = [Object.keys(TARS), [...Object.keys(STORES), ...Object.keys(OPTIONS)]]
    for (const group of groups) {
      for (const { name, wall, min, max, cpu, wallBase, cpuBase } of measure(
        group,
        source,
        work,
        Number(values.runs)
      )) {
        const ratios = [wall / wallBase, cpu / cpuBase].map(ratio => ratio.toFixed(2))
        const spread = `${wall.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`
        console.log(`| ${name} | ${spread} | ${ratios[0]} | ${cpu.toFixed(0)} | ${ratios[1]} |`)
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
