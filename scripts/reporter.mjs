// What `npm test` prints: a line for each file, failures in full, what was skipped and why, the slowest files, and the
// totals in the lines that `node --test` ends with.
import { relative } from 'node:path'
import { inspect } from 'node:util'
import { root } from './platforms.mjs'

const SLOWEST = 5
const TEST_FILE = /\.test\.(?:m?js|ts)$/
const TOTALS = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /

const seconds = ms => `${(ms / 1000).toFixed(1)} s`
const duration = ms =>
  ms < 60_000 ? seconds(ms) : `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`
const count = (number, noun) => `${number} ${noun}${number === 1 ? '' : 's'}`
const indent = text => text.trimEnd().replace(/^/gm, '    ')
const nameOf = file => (file === undefined ? 'tests' : relative(root, file).replace(/^dist\/(.*)\.js$/, '$1.ts'))

class File {
  tests = 0
  failed = 0
  skipped = 0
  durationMs = 0

  constructor(path) {
    this.name = nameOf(path)
  }

  add({ tests, failed, skipped, durationMs }) {
    this.tests += tests
    this.failed += failed
    this.skipped += skipped
    this.durationMs += durationMs
  }

  toString() {
    const skipped = this.skipped > 0 ? `, ${this.skipped} skipped` : ''
    const mark = this.failed > 0 ? 'FAIL' : 'ok  '
    return `${mark}  ${this.name}: ${count(this.tests, 'test')}${skipped}, ${seconds(this.durationMs)}\n`
  }
}

/** The test's own words; of an error that the runner has wrapped, the one within. */
function describe({ name, file, line, details }) {
  const error = details?.error?.cause ?? details?.error
  const place = file === undefined ? '' : ` (${nameOf(file)}${line === undefined ? '' : `:${line}`})`
  return `not ok - ${name}${place}\n${indent(typeof error === 'string' ? error : inspect(error))}\n`
}

const isFile = ({ details, file, name }) => details?.type === 'suite' || file?.endsWith(name) === true

function* summary(files, skipped, failures) {
  if (skipped.size > 0) yield '\nSkipped:\n'
  for (const [reason, count] of skipped) yield `  ${count} × ${reason}\n`
  const slowest = [...files.values()].sort((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST)
  if (files.size > SLOWEST)
    yield `\nSlowest: ${slowest.map(file => `${file.name} ${seconds(file.durationMs)}`).join(', ')}\n`
  if (failures.length > 0) yield `\nFailed:\n\n${failures.join('\n')}`
}

/** The whole run in one line. */
function sentence(files, ms) {
  const sum = field => [...files.values()].reduce((total, file) => total + file[field], 0)
  const [tests, failed, skipped] = ['tests', 'failed', 'skipped'].map(sum)
  const ends = [`${Math.max(0, tests - failed - skipped)} passed`]
  if (failed > 0) ends.push(`${failed} failed`)
  if (skipped > 0) ends.push(`${skipped} skipped`)
  return `\n${count(tests, 'test')} in ${count(files.size, 'file')}: ${ends.join(', ')}, in ${duration(ms)}\n`
}

export default async function* report(events) {
  const files = new Map()
  const skipped = new Map()
  const failures = []
  const totals = []
  let current
  let totalMs = 0
  // Tests that a helper has declared belong to the file whose test comes next: it calls the helper first.
  let shared = new File(undefined)
  for await (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr')
      yield indent(data.message) === '' ? '' : `${indent(data.message)}\n`
    if (type === 'test:diagnostic' && data.message.startsWith('duration_ms ')) totalMs = Number(data.message.slice(12))
    if (type === 'test:diagnostic' && TOTALS.test(data.message)) totals.push(`# ${data.message}\n`)
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const isOfFile = TEST_FILE.test(data.file ?? '')
    if (isOfFile && data.file !== current) {
      if (current !== undefined) yield files.get(current).toString()
      current = data.file
      if (!files.has(current)) files.set(current, new File(current))
    }
    if (isOfFile) {
      files.get(current).add(shared)
      shared = new File(undefined)
    }
    const file = isOfFile ? files.get(current) : shared
    if (data.nesting === 0) file.durationMs += data.details?.duration_ms ?? 0
    if (!isFile(data)) file.tests++
    if (data.skip !== undefined) {
      file.skipped++
      const reason = typeof data.skip === 'string' && data.skip !== '' ? data.skip : data.name
      skipped.set(reason, (skipped.get(reason) ?? 0) + 1)
    }
    // A suite that fails does so by one of its tests.
    if (type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed') {
      file.failed++
      const text = describe(data)
      failures.push(text)
      yield text
    }
  }
  if (current !== undefined) {
    files.get(current).add(shared)
    yield files.get(current).toString()
  }
  yield* summary(files, skipped, failures)
  yield sentence(files, totalMs)
  yield `\n${totals.join('')}`
}
