import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { pipe } from '../../src/interop/pipe.js'
import type { Sink, Source } from '../../src/types.js'
import { deepFreeze, drain, Watched } from './watched.js'

// biome-ignore lint/suspicious/noExplicitAny: the contract holds for sources and sinks of whatever items
type Any = any
export type MakeSource = () => Source<Any>
export type MakeSink = () => Sink<Any, unknown>
export type MakeItems = () => object[]

const REASON = { reason: 'no Error' }

/** What every source promises; `opened` counts what it holds open. Each check rejects if its promise is broken. */
export const SOURCE_CHECKS = {
  'does nothing until it is pulled': async (makeSource: MakeSource, opened: () => number) => {
    makeSource()
    await setImmediate()
    assert.equal(opened(), 0)
  },
  'holds nothing open after a consumer has stopped': async (makeSource: MakeSource, opened: () => number) => {
    for await (const _ of makeSource()) break
    assert.equal(opened(), 0)
  },
  'holds nothing open at its end': async (makeSource: MakeSource, opened: () => number) => {
    await drain(makeSource())
    assert.equal(opened(), 0)
  },
  "stops on abort with the signal's reason": async (makeSource: MakeSource, opened: () => number) => {
    const controller = new AbortController()
    async function* pass(source: Source<unknown>) {
      yield* source
    }
    const items = pipe(makeSource(), pass, { signal: controller.signal })
    await items.next()
    controller.abort(REASON)
    await assert.rejects(withoutHanging(drain(items)), thrown => thrown === REASON)
    assert.equal(opened(), 0)
  }
}

/** Registers a test for every promise of a source, which has to give two items or more. */
export function sourceContract(name: string, makeSource: MakeSource, opened: () => number = () => 0): void {
  for (const [promise, check] of Object.entries(SOURCE_CHECKS)) {
    test(`${name} ${promise}`, () => check(makeSource, opened))
  }
}

/** What every sink promises. Each check rejects if its promise is broken. */
export const SINK_CHECKS = {
  'reads its source to the end': async (makeSink: MakeSink, makeItems: MakeItems) => {
    const source = new Watched(makeItems())
    await makeSink()(source)
    assert.ok(source.isEnded, 'the source was not read to its end')
  },
  'rejects with an error of its source unchanged': async (makeSink: MakeSink, makeItems: MakeItems) => {
    const error = new Error('of the source')
    await assert.rejects(makeSink()(new Watched(makeItems(), { error })), thrown => thrown === error)
  },
  "stops on abort with the signal's reason, even when the source is parked": async (
    makeSink: MakeSink,
    makeItems: MakeItems
  ) => {
    const controller = new AbortController()
    const source = new Watched(makeItems(), { onPark: () => controller.abort(REASON) })
    const run = pipe(source, makeSink(), { signal: controller.signal })
    await assert.rejects(withoutHanging(run), thrown => thrown === REASON)
  },
  'never mutates its input': async (makeSink: MakeSink, makeItems: MakeItems) => {
    await makeSink()(makeItems().map(deepFreeze))
  }
}

/** Registers a test for every promise of a sink. */
export function sinkContract(name: string, makeSink: MakeSink, makeItems: MakeItems): void {
  for (const [promise, check] of Object.entries(SINK_CHECKS)) {
    test(`${name} ${promise}`, () => check(makeSink, makeItems))
  }
}

/** Turns a promise that nothing will ever settle into a failure, after more turns of the loop than anything here takes. */
async function withoutHanging<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  promise.then(settle, settle)
  for (let turn = 0; turn < 2000 && !isSettled; turn++) await setImmediate()
  assert.ok(isSettled, 'nothing had happened after 2000 turns of the event loop')
  return promise
}
