// Many small files, hashed and signed in batches, beside librsync in one process: the time of the work alone, without the
// start of either process.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { randomSource } from './corpus.mjs'
import { inTurn, median, ratios, spread } from './measure.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const [MIN_BYTES, MAX_BYTES] = [4 << 10, 16 << 10]

function makeFiles(directory, count) {
  mkdirSync(directory)
  const random = randomSource(4)
  for (let i = 0; i < count; i++) {
    writeFileSync(join(directory, String(i)), random.bytes(MIN_BYTES + random.below(MAX_BYTES - MIN_BYTES + 1)))
  }
}

/** Undefined if there is no compiler or library for it. */
function build(work, name, flags) {
  const program = join(work, name)
  const args = ['-O3', join(here, 'librsync-files.c'), '-o', program, '-lrsync', ...flags]
  const { status, error, stderr } = spawnSync('cc', args, { encoding: 'utf8' })
  if (status === 0) return program
  console.log(
    `skipped: ${name} cannot be compiled (librsync-dev, libssl-dev): ${error?.message ?? stderr.split('\n')[0]}`
  )
  return undefined
}

export function runSmallFiles({ work, files, levels, threads, ...turns }) {
  const directory = join(work, 'files')
  makeFiles(directory, files)
  const signs = build(work, 'librsync', [])
  const hashes = build(work, 'librsync-and-sha256', ['-DWITH_SHA256', '-lcrypto'])
  if (signs === undefined) return []
  const ours = levels.flatMap(level =>
    threads.map(jobs => ({
      name: `readFiles ${level}`,
      threads: jobs,
      goal: level === 'avx512' ? [2.5, 5][jobs - 1] : undefined,
      command: [process.execPath, join(here, 'batches.mjs'), directory, String(files), String(jobs)],
      env: { IBT_SIMD: level }
    }))
  )
  const theirs = [{ name: 'librsync, signs only', threads: 1, command: [signs, directory, String(files)] }]
  if (hashes !== undefined) {
    theirs.push({ name: "and OpenSSL's SHA-256", threads: 1, command: [hashes, directory, String(files), 'sha256'] })
  }
  const tools = [...theirs, ...ours]
  const samples = inTurn(tools, turns, ({ command, env }) => {
    const [program, ...args] = command
    const stdout = execFileSync(program, args, { env: { ...process.env, ...env }, encoding: 'utf8' })
    const [wall, cpu, bytes] = stdout.trim().split(' ').map(Number)
    return { wall, cpu, bytes }
  })
  const of = (at, key) => samples[at].map(sample => (sample[key] / files) * 1e6)
  const times = (their, at, key) => median(ratios(of(their, key), of(at, key))).toFixed(1)
  return tools.map((tool, at) => {
    const row = {
      case: `${files} files`,
      tool: tool.name,
      threads: tool.threads,
      'µs a file (min / median / max)': spread(of(at, 'wall'), 1),
      'CPU µs': median(of(at, 'cpu')).toFixed(1)
    }
    if (samples[at][0].bytes !== samples[0][0].bytes) throw new Error(`${tool.name} makes other signatures`)
    if (at < theirs.length) return row
    row['times as fast as signing'] = spread(ratios(of(0, 'wall'), of(at, 'wall')), 1)
    if (hashes !== undefined) row['as both'] = spread(ratios(of(1, 'wall'), of(at, 'wall')), 1)
    return { ...row, goal: tool.goal, 'by CPU time': times(hashes === undefined ? 0 : 1, at, 'cpu') }
  })
}
