import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isBackupError } from '../src/errors.js'
import { mergeByPath } from '../src/merge.js'
import { comparePaths } from '../src/path.js'
import type { Source } from '../src/types.js'
import { drain, Watched } from './helpers/watched.js'

interface Named {
  readonly path: string
}
const named = (...paths: string[]): Named[] => paths.map(path => ({ path }))
const pathsOf = (pairs: [Named | undefined, Named | undefined][]) => pairs.map(([a, b]) => [a?.path, b?.path])
const merge = async (a: Source<Named>, b: Source<Named>) => pathsOf(await drain(mergeByPath(a, b)))

test('pairs come in path order, with what is missing on a side left out', async () => {
  const pairs = await merge(named('.', 'a', 'a/x', 'a.b', 'c'), named('.', 'a', 'a.b', 'b'))
  assert.deepEqual(pairs, [
    ['.', '.'],
    ['a', 'a'],
    ['a/x', undefined],
    ['a.b', 'a.b'],
    [undefined, 'b'],
    ['c', undefined]
  ])
})

test('either source may be empty, synchronous or not', async () => {
  assert.deepEqual(await merge([], []), [])
  assert.deepEqual(await merge([], new Watched(named('a'))), [[undefined, 'a']])
  assert.deepEqual(await merge(new Watched(named('a')), []), [['a', undefined]])
  assert.deepEqual(await merge(new Watched(named('a', 'b')), named('b')), [
    ['a', undefined],
    ['b', 'b']
  ])
})

test('a merge gives what sorting both sides gives', async () => {
  const path = fc.string({
    unit: fc.constantFrom('a', 'b', '/', '.', '\u{1f600}', '\uff5e'),
    minLength: 1,
    maxLength: 6
  })
  const side = fc.uniqueArray(path, { maxLength: 30 }).map(paths => paths.sort(comparePaths))
  const property = fc.asyncProperty(side, side, fc.boolean(), async (a, b, isAsync) => {
    const pairs = await merge(isAsync ? new Watched(named(...a)) : named(...a), named(...b))
    const all = [...new Set([...a, ...b])].sort(comparePaths)
    const expected = all.map(each => [a.includes(each) ? each : undefined, b.includes(each) ? each : undefined])
    assert.deepEqual(pairs, expected)
  })
  await fc.assert(property, { seed: 20_261_123 })
})

test('a source out of order or with a path twice is refused, with its name and both paths', async () => {
  for (const wrong of [named('b', 'a'), named('a', 'a')]) {
    const last = wrong[1]!.path
    const isNamed = (error: unknown) =>
      isBackupError(error) &&
      error.code === 'IBT_OUT_OF_ORDER' &&
      error.path === last &&
      error.message.includes(`${last} comes after ${wrong[0]!.path}`) &&
      error.message.includes('the walk')
    await assert.rejects(drain(mergeByPath(wrong, [], { names: ['the walk', 'the state'] })), isNamed)
    await assert.rejects(drain(mergeByPath([], wrong, { names: ['the state', 'the walk'] })), isNamed)
  }
})

test('nothing is opened before the first pull, and nothing is read ahead of the pair', async () => {
  const a = new Watched(named('a', 'c', 'e'))
  const b = new Watched(named('b', 'c', 'd'))
  const pairs = mergeByPath(a, b)
  await new Promise(setImmediate)
  assert.deepEqual([a.opened, b.opened], [0, 0])
  await pairs.next()
  assert.deepEqual([a.pulls, b.pulls], [1, 1])
  await pairs.next()
  assert.deepEqual([a.pulls, b.pulls], [2, 1])
  await pairs.return()
})

test('both sources are closed when the consumer breaks and when either fails', async () => {
  const error = new Error('of a source')
  for (const [failing, thrown] of [
    [{}, undefined],
    [{ error }, error]
  ] as const) {
    for (const swap of [false, true]) {
      const a = new Watched(named('a'), failing)
      const b = new Watched(named('a', 'b'))
      const run = async () => {
        for await (const _ of swap ? mergeByPath(b, a) : mergeByPath(a, b)) if (thrown === undefined) break
      }
      if (thrown === undefined) await run()
      else await assert.rejects(run(), caught => caught === thrown)
      assert.deepEqual([a.isClosed, b.isClosed], [true, true])
    }
  }
})

test('an abort ends a parked merge, closes the other source and does not wait for the parked one', async () => {
  const controller = new AbortController()
  const reason = { reason: 'no Error' }
  const parked = new Watched(named('a'), { onPark: () => controller.abort(reason) })
  const other = new Watched(named('a', 'b'))
  const pairs = mergeByPath(other, parked, { signal: controller.signal })
  await assert.rejects(drain(pairs), thrown => thrown === reason)
  assert.equal(other.isClosed, true)
})

test('timers run while a merge serves from memory', async () => {
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  function* many() {
    for (let i = 100_000; i < 500_000; i++) yield { path: String(i) }
  }
  let count = 0
  for await (const _ of mergeByPath(many(), many())) count++
  clearInterval(timer)
  assert.equal(count, 400_000)
  assert.ok(ticks >= 2, `${ticks} ticks`)
})
