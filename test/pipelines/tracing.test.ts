import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { fullBackup, restoreBackup } from '../../src/index.js'
import { memoryStore, wrapStore } from '../../src/stores/index.js'
import { tracedStore } from '../../src/stores/traced-store.js'
import { Desk } from '../helpers/desk.js'

type Trace = Record<string, unknown>

/** What a channel says while a test runs: the name of each event and its object. */
function listen(t: TestContext, name: string): [event: string, trace: Trace][] {
  const heard: [string, Trace][] = []
  for (const event of ['start', 'asyncEnd', 'error']) {
    const listener = (trace: unknown) => heard.push([event, trace as Trace])
    subscribe(`tracing:${name}:${event}`, listener)
    t.after(() => unsubscribe(`tracing:${name}:${event}`, listener))
  }
  return heard
}

test('runs, artifacts and calls of stores are told to whoever listens', async t => {
  const desk = new Desk(t)
  const source = desk.at('src')
  mkdirSync(source)
  writeFileSync(desk.at('src/a'), 'one')
  const runs = listen(t, 'ibt:run')
  const artifacts = listen(t, 'ibt:artifact')
  const calls = listen(t, 'ibt:store')
  const store = memoryStore()
  const report = await fullBackup(source, { store, cache: false })
  assert.deepEqual(
    runs.map(([event, { operation, key, result }]) => [event, operation, key, result]),
    [
      ['start', 'full', 'src', report],
      ['asyncEnd', 'full', 'src', report]
    ]
  )
  const stored = artifacts.filter(([event]) => event === 'asyncEnd').map(([, trace]) => trace)
  assert.deepEqual(
    stored.map(({ name, kind, sizeBytes, sha256 }) => ({ name, kind, sizeBytes, sha256 })),
    report.files.map(({ name, kind, sizeBytes, sha256 }) => ({ name, kind, sizeBytes, sha256 }))
  )
  for (const { name, sizeBytes } of report.files) {
    const put = calls.find(([event, { call, name: put }]) => event === 'asyncEnd' && call === 'put' && put === name)
    assert.deepEqual([put?.[1].store, put?.[1].sizeBytes], [store.id, sizeBytes])
  }
  assert.equal(
    calls.filter(([event]) => event === 'start').length,
    calls.filter(([event]) => event === 'asyncEnd').length
  )

  runs.length = 0
  const broken = new Error('no such thing')
  const failing = wrapStore(store, {
    // biome-ignore lint/correctness/useYield: it fails before it has anything
    async *get() {
      throw broken
    }
  })
  calls.length = 0
  await assert.rejects(restoreBackup('src', desk.at('out'), { store: failing, cache: false }))
  assert.deepEqual(
    runs.map(([event, { operation, error }]) => [event, operation, error instanceof Error]),
    [
      ['start', 'restore', true],
      ['error', 'restore', true],
      ['asyncEnd', 'restore', true]
    ]
  )
  assert.ok(calls.some(([event, { call, error }]) => event === 'error' && call === 'get' && error === broken))
})

test('a store is used as it is where nobody listens', async t => {
  const store = memoryStore()
  assert.equal(tracedStore(store), store)
  listen(t, 'ibt:store')
  assert.notEqual(tracedStore(store), store)
})
