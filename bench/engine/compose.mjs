// Times `ibt compose` of many deltas against one `rdiff patch` of the file, as whole processes, in turn. The deltas are
// made up, as commands: each has so many edits, at random places, of the literals that blocks of 2 KiB leave around an
// edit of a few bytes to a few KiB. What they compose to is patched by rdiff and compared with what they make in turn.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { randomSource, writeRandom } from './corpus.mjs'
import { median, ratios, spread } from './measure.mjs'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    mib: { type: 'string', default: '1024' },
    deltas: { type: 'string', default: '100' },
    edits: { type: 'string', default: '1000' },
    work: { type: 'string' }
  }
})
const [runs, mib, deltas, edits] = ['runs', 'mib', 'deltas', 'edits'].map(name => Number(values[name]))
const BLOCK_BYTES = 2048
const work = mkdtempSync(join(values.work ?? tmpdir(), 'ibt-bench-'))
const at = name => join(work, name)
const bin = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin/ibt.cjs')

const random = randomSource(7)

const copyCommand = (position, length) => {
  const command = Buffer.alloc(13)
  command[0] = 0x45 + 4 * 3 + 2
  command.writeBigUInt64BE(BigInt(position), 1)
  command.writeUInt32BE(length, 9)
  return command
}

const literalCommand = bytes => {
  const head = Buffer.of(0x42, bytes.length >> 8, bytes.length & 255)
  return Buffer.concat([head, bytes])
}

/** Returns the size of what the delta makes. */
function writeDelta(path, size) {
  const places = Array.from({ length: edits }, () => random.below(size - 4 * BLOCK_BYTES)).sort((a, b) => a - b)
  const parts = [Buffer.from('72730236', 'hex')]
  let position = 0
  let made = 0
  for (const place of places) {
    const block = place - (place % BLOCK_BYTES)
    if (block <= position) continue
    parts.push(copyCommand(position, block - position))
    const literal = random.bytes(BLOCK_BYTES + random.below(BLOCK_BYTES))
    parts.push(literalCommand(literal))
    made += block - position + literal.length
    position = block + BLOCK_BYTES
  }
  parts.push(copyCommand(position, size - position), Buffer.of(0))
  writeFileSync(path, Buffer.concat(parts))
  return made + size - position
}

function seconds(...command) {
  rmSync(at('out'), { force: true })
  const start = performance.now()
  const { status, stderr } = spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command[0]}: ${stderr}`)
  return (performance.now() - start) / 1000
}

const print = (name, all) => console.log(`${name.padEnd(34)} ${spread(all, 2)} s`)

try {
  writeRandom(at('basis'), mib * 2 ** 20, 6)
  const paths = Array.from({ length: deltas }, (_, i) => at(`delta${i}`))
  let size = mib * 2 ** 20
  for (const path of paths) size = writeDelta(path, size)
  const times = { compose: [], patch: [], node: [] }
  for (let run = 0; run < runs; run++) {
    times.patch.push(seconds('rdiff', 'patch', at('basis'), paths[0], at('out')))
    times.compose.push(seconds(process.execPath, bin, 'compose', ...paths, at('out')))
    times.node.push(seconds(process.execPath, '-e', '0'))
  }
  execFileSync(process.execPath, [bin, 'compose', '--force', ...paths, at('out')])
  execFileSync('rdiff', ['-f', 'patch', at('basis'), at('out'), at('composed')])
  const [from, to] = [at('from'), at('to')]
  execFileSync('mv', [at('basis'), from])
  for (const path of paths) {
    execFileSync('rdiff', ['-f', 'patch', from, path, to])
    execFileSync('mv', [to, from])
  }
  execFileSync('cmp', [from, at('composed')])
  const stored = paths.reduce((sum, path) => sum + statSync(path).size, 0)
  console.log(`${deltas} deltas of ${edits} edits, ${stored} bytes; composed ${statSync(at('out')).size} bytes`)
  console.log(`load ${loadavg()[0].toFixed(1)}, ${runs} runs in turn`)
  print('rdiff patch, one delta', times.patch)
  print('ibt compose, all', times.compose)
  print('node -e 0', times.node)
  const net = times.compose.map((compose, run) => compose - times.node[run])
  console.log(
    `times as fast as rdiff patch: ${spread(ratios(times.patch, net), 2)}, median ${median(net).toFixed(2)} s`
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
