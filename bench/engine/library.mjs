// The library: jobs on descriptors beside the command line, streams beside draining the stream alone, what the event loop
// waits meanwhile, and how long a job runs on when it is cancelled.
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inTurn, measure, median, ratios, spread } from './measure.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const BIN = join(here, '..', '..', 'bin/ibt.cjs')

function job(name, threads, ...paths) {
  const args = [join(here, 'library-job.mjs'), name, String(threads), ...paths]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

export function runLibrary({ corpus, work, threads, ...turns }) {
  const [out, signature, delta] = ['out', 'signature', 'delta'].map(name => join(work, name))
  rmSync(signature, { force: true })
  rmSync(delta, { force: true })
  execFileSync('rdiff', ['signature', corpus.basis, signature])
  execFileSync('rdiff', ['delta', signature, corpus.edited, delta])
  const files = {
    signature: [corpus.basis, out],
    delta: [signature, corpus.edited, out],
    patch: [corpus.basis, delta, out]
  }
  const most = Math.max(...threads)
  return {
    files: Object.keys(files).flatMap(name =>
      threads.map(jobs => fileRow(name, jobs, files[name], { work, out, ...turns }))
    ),
    streams: streamRows({ corpus, signature, threads: most, ...turns }),
    cancelled: Object.keys(files).flatMap(name => threads.map(jobs => cancelRow(name, jobs, files[name], turns)))
  }
}

function fileRow(name, threads, paths, { work, out, ...turns }) {
  const tools = ['command line', 'node -e 0', 'library']
  const samples = inTurn(tools, turns, tool => {
    rmSync(out, { force: true })
    if (tool === 'library') return job(name, threads, ...paths)
    const args = tool === 'command line' ? [BIN, name, '--jobs', String(threads), ...paths] : ['-e', '0']
    return measure({ command: [process.execPath, ...args] }, work)
  })
  const [cli, node, library] = samples.map(each => each.map(sample => sample.wall))
  const net = cli.map((wall, round) => wall - node[round])
  return {
    job: name,
    threads,
    'command line, seconds': spread(net, 3),
    'library, seconds': spread(library, 3),
    'library, times as fast': spread(ratios(net, library), 2),
    'stall p99 ms': spread(
      samples[2].map(sample => sample.stallMs),
      1
    ),
    'stall max ms': spread(
      samples[2].map(sample => sample.stallMaxMs),
      1
    ),
    'peak MiB': Math.max(...samples[2].map(sample => sample.rss)).toFixed(0)
  }
}

function streamRows({ corpus, signature, threads, ...turns }) {
  const tools = [
    { name: 'drain', paths: [corpus.edited] },
    { name: 'stream-hash', paths: [corpus.edited] },
    { name: 'stream-sign', paths: [corpus.edited] },
    { name: 'stream-delta', paths: [signature, corpus.edited] }
  ]
  const samples = inTurn(tools, turns, ({ name, paths }) => job(name, threads, ...paths))
  const of = (at, key) => samples[at].map(sample => sample[key])
  return tools.map(({ name }, at) => ({
    stream: name,
    seconds: spread(of(at, 'wall'), 3),
    'CPU seconds': median(of(at, 'cpu')).toFixed(2),
    'rate beside draining': spread(ratios(of(0, 'wall'), of(at, 'wall')), 2),
    'stall p99 ms': spread(of(at, 'stallMs'), 1),
    'stall max ms': spread(of(at, 'stallMaxMs'), 1),
    'peak MiB': Math.max(...of(at, 'rss')).toFixed(0)
  }))
}

function cancelRow(name, threads, paths, turns) {
  const [samples] = inTurn([name], turns, () => job(`cancel-${name}`, threads, ...paths))
  return {
    cancelled: name,
    threads,
    'rejected after ms': spread(
      samples.map(sample => sample.rejectedMs),
      1
    ),
    'threads free after ms': spread(
      samples.map(sample => sample.freedMs),
      1
    )
  }
}
