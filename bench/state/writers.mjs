// The two writers of tar headers and state lines on the same plain files: native on columns, native with a batch of one for
// each, and TypeScript, which makes an object of each.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const load = name => import(new URL(`../../dist/src/${name}.js`, import.meta.url).href)
const { listDirectory, readFiles, SpanWriter } = await load('native')
const { ListedDirectory } = await load('source/listed')
const { encodeStateEntry } = await load('format/state-encode')
const { encodeEntry } = await load('format/tar-encode')
const { toTarHeader } = await load('format/tar-header')
const { withStat } = await load('change/decide-body')
const { recordStored } = await load('change/record')
const { summaryOf } = await load('change/read-batch')

const COUNT = 250
const ROUNDS = 300
const DATE = '2026-11-27T12:00:00.000Z'
const CHAIN = new Map([[DATE, 0]])

const root = mkdtempSync(join(tmpdir(), 'ibt-writers-'))
const names = Array.from({ length: COUNT }, (_, i) => `file-${1000 + i}.js`)
for (const [i, name] of names.entries()) writeFileSync(join(root, name), 'x'.repeat(i + 1))
const listing = await listDirectory(Buffer.from(root), '.')
const directory = new ListedDirectory(Buffer.from(root), 'node_modules/some-package/lib', listing)
const writer = new SpanWriter()
const slab = Buffer.alloc(2 * 1024 * 1024)
const batch = await readFiles(Buffer.from(root), Buffer.from(names.map(name => `${name}\0`).join('')), COUNT, slab, {
  signMinBytes: Infinity,
  blockLenMin: 2048,
  strongLen: 16,
  racyMs: 0,
  gaps: writer.plan(directory, 0, COUNT)
})
rmSync(root, { recursive: true })

function writeNative(begin, end, at, places, signatures) {
  const span = { directory, begin, end, batch, first: begin, previous: undefined }
  writer.plan(directory, begin, end)
  const next = writer.headers(span, slab, at, places)
  writer.lines(span, { places, base: 0, signatures, date: 0, kind: 'full' })
  return next
}

function writeEntry(entry, i) {
  const summary = summaryOf(batch, i)
  slab.set(encodeEntry(toTarHeader(entry, { sizeBytes: summary.sizeBytes })), 0)
  const place = { date: DATE, in: 'full', offset: 512 * i }
  return encodeStateEntry(recordStored(entry, summary, { place, signature: undefined }), CHAIN)
}

const [places, unsigned] = [new Float64Array(COUNT), new Float64Array(COUNT).fill(-1)]
const entries = names.map((_, i) => withStat(directory.entry(i), batch, i))
const WRITERS = {
  'native, columns': () => writeNative(0, COUNT, 0, places, unsigned),
  'native, a batch of one': () => names.reduce((at, _, i) => writeNative(i, i + 1, at, places, unsigned), 0),
  'TypeScript, columns': () =>
    Buffer.from(names.map((_, i) => writeEntry(withStat(directory.entry(i), batch, i), i)).join('')),
  'TypeScript, entries': () => Buffer.from(entries.map(writeEntry).join(''))
}
for (const isWarm of [false, true]) {
  for (const [name, write] of Object.entries(WRITERS)) {
    const start = process.cpuUsage()
    for (let i = 0; i < ROUNDS; i++) write()
    const { user, system } = process.cpuUsage(start)
    if (isWarm) console.log(`| ${name} | ${((user + system) / (ROUNDS * COUNT)).toFixed(2)} µs |`)
  }
}
