import assert, { AssertionError } from 'node:assert/strict'
import { test } from 'node:test'
import type { Source } from '../../src/types.js'
import { SINK_CHECKS, SOURCE_CHECKS, sinkContract, sourceContract } from './source-contract.js'
import { drain } from './watched.js'

const makeItems = () => [{ n: 1 }, { n: 2 }, { n: 3 }]
let open = 0
const opened = () => open

async function* goodSource(): AsyncGenerator<object, void, undefined> {
  open += 1
  try {
    yield* makeItems()
  } finally {
    open -= 1
  }
}
sourceContract('a good source', goodSource, opened)

const badSources: Record<keyof typeof SOURCE_CHECKS, () => Source<object>> = {
  'does nothing until it is pulled'() {
    open += 1
    return makeItems()
  },
  async *'holds nothing open after a consumer has stopped'() {
    open += 1
    yield* makeItems()
    open -= 1
  },
  async *'holds nothing open at its end'() {
    open += 1
    yield* makeItems()
  },
  async *"stops on abort with the signal's reason"() {
    open += 1
    yield* makeItems()
  }
}
for (const [promise, check] of Object.entries(SOURCE_CHECKS)) {
  test(`a source is caught that breaks the promise: ${promise}`, async () => {
    open = 0
    await assert.rejects(check(badSources[promise as keyof typeof SOURCE_CHECKS], opened), AssertionError)
    open = 0
  })
}

sinkContract('a good sink', () => drain, makeItems)

type Items = Source<{ n: number }>
const badSinks: Record<keyof typeof SINK_CHECKS, (source: Items) => Promise<unknown>> = {
  async 'reads its source to the end'(source) {
    for await (const _ of source) return
  },
  async 'rejects with an error of its source unchanged'(source) {
    await drain(source).catch(() => {})
  },
  async "stops on abort with the signal's reason, even when the source is parked"(source) {
    await drain(source).catch(() => new Promise(() => {}))
  },
  async 'never mutates its input'(source) {
    for await (const item of source) item.n = 0
  }
}
for (const [promise, check] of Object.entries(SINK_CHECKS)) {
  test(`a sink is caught that breaks the promise: ${promise}`, async () => {
    const run = check(() => badSinks[promise as keyof typeof SINK_CHECKS], makeItems)
    await assert.rejects(run, promise === 'never mutates its input' ? TypeError : AssertionError)
  })
}
