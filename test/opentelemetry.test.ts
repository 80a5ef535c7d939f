import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Desk } from './helpers/desk.js'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

interface Span {
  readonly id: string
  readonly parent?: string
  readonly name: string
  readonly attributes: { readonly name?: string; readonly bytes?: number }
  readonly status: { readonly code: number; readonly message?: string }
}

/** A second run, whose store fails, and what the exporter was given. */
const CHECKED = `
import { directoryStore, wrapStore } from 'incremental-backups-tools/stores'
const inner = directoryStore('failing')
const store = wrapStore(inner, { put: (name, ...call) => name.includes('.full.') ? Promise.reject(new Error('disk on fire')) : inner.put(name, ...call) })
await fullBackup('src', { store, cache: false }).catch(() => {})
console.log(JSON.stringify(exporter.getFinishedSpans().map(span => ({
  id: span.spanContext().spanId, parent: span.parentSpanContext?.spanId,
  name: span.name, attributes: span.attributes, status: span.status
}))))
`

/** Runs the recipe of the page with an exporter that keeps what it is given. */
function spansOf(desk: Desk): Span[] {
  const page = readFileSync(join(ROOT, 'docs/monitoring.md'), 'utf8')
  const recipe = [...page.matchAll(/^```js\n(.*?)^```$/gms)]
    .map(([, code]) => code!)
    .find(code => code.includes('startSpan'))!
  const code = recipe
    .replace('ConsoleSpanExporter,', 'InMemorySpanExporter,')
    .replace('new ConsoleSpanExporter()', 'exporter')
    .replace('const provider', 'const exporter = new InMemorySpanExporter()\nconst provider')
  const file = join(ROOT, 'dist/docs/opentelemetry.mjs')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, code + CHECKED)
  try {
    return JSON.parse(execFileSync(process.execPath, [file], { cwd: desk.path, encoding: 'utf8' }))
  } finally {
    rmSync(file)
  }
}

test('the spans of OpenTelemetry have the names, attributes, parents and errors of runs, artifacts and store calls', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/file'), 'x'.repeat(100_000))
  const spans = spansOf(desk)
  const byId = new Map(spans.map(span => [span.id, span]))
  const runs = spans.filter(({ name }) => name === 'ibt:run full')
  assert.equal(runs.length, 2)
  const rootOf = (span: Span): Span => (span.parent === undefined ? span : rootOf(byId.get(span.parent)!))
  for (const span of spans) assert.ok(runs.includes(rootOf(span)), `${span.name} is in no run`)
  const within = (run: Span | undefined) => spans.filter(span => rootOf(span) === run)
  const [good, bad] = runs
  assert.deepEqual([good!.attributes.name, good!.status.code], ['src', 0])
  for (const kind of ['full', 'sigvault', 'state']) {
    const artifact = within(good).find(({ name }) => name === `ibt:artifact ${kind}`)!
    assert.equal(artifact.parent, good!.id)
    assert.match(artifact.attributes.name!, new RegExp(`^src\\.${kind}\\.`))
    const put = within(good).find(({ parent, name }) => parent === artifact.id && name === 'ibt:store put')!
    assert.deepEqual(put.attributes, artifact.attributes)
    assert.ok(put.attributes.bytes! > 0)
  }
  assert.ok(within(good).some(({ name }) => name === 'ibt:store create'))
  assert.ok(within(good).every(({ status }) => status.code === 0))
  // Of the run, its artifact, and the call of the store.
  const failed = within(bad).filter(({ status }) => status.code === 2)
  for (const name of ['ibt:run full', 'ibt:artifact full', 'ibt:store put']) {
    const span = failed.find(span => span.name === name)
    assert.match(span?.status.message ?? '', /disk on fire/, name)
  }
})
