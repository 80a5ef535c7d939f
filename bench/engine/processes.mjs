// rdiff's whole process beside ours, less that of `node -e 0`, at each level of vector instructions and number of threads.
import { execFileSync } from 'node:child_process'
import { rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inTurn, measure, median, ratios, spread } from './measure.mjs'

const BIN = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin/ibt.cjs')
const BLOCK_BYTES = 2048

/** Goals: how many times as fast as rdiff with AVX-512 on one thread and on two. */
function casesOf({ basis, edited, unrelated }, { out, signature, signature2k, delta, made }) {
  const sameAs = file => () => execFileSync('cmp', [out, file])
  const makes = content => () => {
    execFileSync('rdiff', ['-f', 'patch', basis, out, made])
    execFileSync('cmp', [made, content])
    rmSync(made)
  }
  const deltaOf = (from, content) => ({ args: ['delta', from, content, out], reads: [content], check: makes(content) })
  return {
    signature: { args: ['signature', basis, out], reads: [basis], check: sameAs(signature), goals: [4.2, 7.5] },
    identical: { ...deltaOf(signature, basis), goals: [4.2, 7.5] },
    edited: { ...deltaOf(signature, edited), goals: [4.2, 7.5] },
    new: { ...deltaOf(signature, unrelated), goals: [8, 14] },
    'new-2k': { ...deltaOf(signature2k, unrelated), goals: [9, 15] },
    patch: { args: ['patch', basis, delta, out], reads: [basis, delta], check: sameAs(edited), goals: [1.2, 1.5] }
  }
}

export const CASES = ['signature', 'identical', 'edited', 'new', 'new-2k', 'patch']

export function runProcesses({ corpus, work, cases, ...options }) {
  const names = ['out', 'signature', 'signature2k', 'delta', 'made']
  const files = Object.fromEntries(names.map(name => [name, join(work, name)]))
  execFileSync('rdiff', ['signature', corpus.basis, files.signature])
  execFileSync('rdiff', ['-b', String(BLOCK_BYTES), 'signature', corpus.basis, files.signature2k])
  execFileSync('rdiff', ['delta', files.signature, corpus.edited, files.delta])
  const all = casesOf(corpus, files)
  return cases.flatMap(name => runCase(name, all[name], { work, out: files.out, ...options }))
}

function runCase(name, { args, reads, check, goals }, { work, out, levels, threads, ...turns }) {
  // A patch hashes nothing.
  const ours = (name === 'patch' ? levels.slice(0, 1) : levels).flatMap(level =>
    threads.map(jobs => ({
      name: `ibt ${name === 'patch' ? '' : level}`.trim(),
      threads: jobs,
      goal: level === 'avx512' ? goals[jobs - 1] : undefined,
      command: [process.execPath, BIN, args[0], '--jobs', String(jobs), ...args.slice(1)],
      env: { IBT_SIMD: level }
    }))
  )
  const tools = [
    { name: 'rdiff', threads: 1, command: ['rdiff', ...args] },
    { name: 'node -e 0', command: [process.execPath, '-e', '0'] },
    ...ours
  ]
  for (const file of reads) execFileSync('cat', [file], { stdio: ['ignore', 'ignore', 'inherit'] })
  const bytes = []
  const samples = inTurn(tools, turns, (tool, round) => {
    if (tool.threads === undefined) return measure(tool, work)
    // Only now: a host may take back memory that is free for a while, and it costs more than a patch to get it again.
    rmSync(out, { force: true })
    const sample = measure(tool, work)
    bytes[tools.indexOf(tool)] = statSync(out).size
    if (round === 0) check()
    return sample
  })
  const of = (at, key) => samples[at].map(sample => sample[key])
  const net = (at, key) => samples[at].map((sample, round) => sample[key] - samples[1][round][key])
  return tools.map((tool, at) => ({
    case: name,
    tool: tool.name,
    threads: tool.threads,
    'seconds (min / median / max)': spread(of(at, 'wall'), 3),
    'CPU seconds': median(of(at, 'cpu')).toFixed(2),
    'times as fast': at > 1 ? spread(ratios(of(0, 'wall'), net(at, 'wall')), 1) : undefined,
    goal: tool.goal,
    'by CPU time': at > 1 ? median(ratios(of(0, 'cpu'), net(at, 'cpu'))).toFixed(1) : undefined,
    'by minima': at > 1 ? (Math.min(...of(0, 'wall')) / Math.min(...net(at, 'wall'))).toFixed(1) : undefined,
    'peak MiB': Math.max(...of(at, 'rss')).toFixed(0),
    bytes: bytes[at]
  }))
}
