// How fast are the lines of a state read, compared and written, on one thread, from memory?
// A process for each case: what V8 has learnt from one would decide about the next.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const script = fileURLToPath(import.meta.url)
const dist = join(dirname(dirname(dirname(script))), 'dist/src')
const load = path => import(pathToFileURL(join(dist, path)).href)
const { zstd } = await load('codec/index.js')
const { recordUnstored } = await load('change/record.js')
const { grouped } = await load('cursor.js')
const { decodeStateEntry } = await load('format/state-decode.js')
const { openState } = await load('format/state-reader.js')
const { StateText } = await load('format/state-text.js')
const { diff } = await load('stages/diff.js')

const CHUNK_BYTES = 1024 * 1024
const WARM_UPS = 3
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    case: { type: 'string' },
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '5' }
  }
})
const [path] = positionals
if (path === undefined) throw new Error('usage: node bench/state/run.mjs STATE.json.zst [--runs 5] [--json]')

/** Each takes a state's chunks, prepares what is not measured, and returns what is. */
const cases = {
  'JSON.parse, nothing else': async chunks => {
    const lines = linesOf(chunks)
    return () => {
      for (const line of lines) JSON.parse(line)
    }
  },
  'read: entries, digest, order': async chunks => async () => {
    for await (const group of groupsOf(chunks)) for (const _ of group);
  },
  'write: entries encoded': async chunks => {
    const { header, entries } = await decode(chunks)
    return () => write(header, entries)
  },
  'write: lines copied': async chunks => {
    const { header } = await decode(chunks)
    const entries = []
    for await (const group of groupsOf(chunks)) entries.push(...group)
    return () => write(header, entries)
  },
  'read, compare with a walk, write': async chunks => {
    const { header, entries } = await decode(chunks)
    const walked = entries.map(({ sha256: _, places: __, signature: ___, dirty, carried, racy, ...entry }) => entry)
    return async () => {
      const text = new StateText(header)
      for await (const change of diff(grouped(() => groupsOf(chunks)))(walked)) add(text, recordUnstored(change))
      text.take()
    }
  }
}

async function readChunks() {
  const chunks = []
  for await (const frame of zstd().decodeAll([readFileSync(path)], path)) {
    for (let at = 0; at < frame.length; at += CHUNK_BYTES) chunks.push(frame.subarray(at, at + CHUNK_BYTES))
  }
  return chunks
}

function linesOf(chunks) {
  const lines = Buffer.concat(chunks).toString('utf8').split('\n').slice(1, -2)
  return lines.map(line => (line.endsWith(',') ? line.slice(0, -1) : line))
}

async function* groupsOf(chunks) {
  yield* (await openState(chunks)).groups()
}

async function decode(chunks) {
  const { header } = await openState(chunks)
  return { header, entries: linesOf(chunks).map(line => decodeStateEntry(line, header.chain)) }
}

function write(header, entries) {
  const text = new StateText(header)
  for (const entry of entries) add(text, entry)
  text.take()
}

function add(text, entry) {
  text.add(entry)
  if (text.length > CHUNK_BYTES / 4) text.take()
}

async function measure(name) {
  const chunks = await readChunks()
  const lines = linesOf(chunks).length
  const run = await cases[name](chunks)
  const first = await nanoseconds(run, lines)
  for (let i = 0; i < WARM_UPS; i++) await run()
  const found = []
  for (let i = 0; i < Number(values.runs); i++) found.push(await nanoseconds(run, lines))
  found.sort((a, b) => a - b)
  return { case: name, lines, first, median: found[found.length >> 1], min: found[0], max: found.at(-1) }
}

/** Of the processor, for each line, on all threads: the collector's and the compiler's, too. */
async function nanoseconds(run, lines) {
  const before = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / lines
}

function measureInProcess(name) {
  const args = [script, path, '--case', name, '--runs', values.runs]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`)
  return JSON.parse(stdout)
}

if (values.case !== undefined) console.log(JSON.stringify(await measure(values.case)))
else {
  const rows = Object.keys(cases).map(measureInProcess)
  if (values.json) console.log(JSON.stringify({ node: process.version, rows }))
  else {
    console.log('| case | ns a line: median (min–max) | lines/s | first run |\n|---|---|---|---|')
    for (const { case: name, ...figures } of rows) {
      const [median, min, max, first] = [figures.median, figures.min, figures.max, figures.first].map(Math.round)
      console.log(`| ${name} | ${median} (${min}–${max}) | ${(1000 / median).toFixed(2)} M | ${first} ns |`)
    }
  }
}
