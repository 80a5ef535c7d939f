import assert from 'node:assert/strict'
import { PassThrough, Transform } from 'node:stream'
import { test } from 'node:test'
import { compose } from '../../src/interop/compose.js'
import { pipe } from '../../src/interop/pipe.js'
import { createRules } from '../../src/rules.js'
import { filter } from '../../src/stages/filter.js'
import { observe } from '../../src/stages/observe.js'
import { pack } from '../../src/stages/pack.js'
import type { Stage, StageContext } from '../../src/types.js'
import { collect, directory, file } from '../helpers/entries.js'
import { stageContract } from '../helpers/stage-contract.js'

const makeTree = () => [directory('.'), file('a', 'a'), file('b.log', 'b')]
const add = (text: string): Stage<string> =>
  async function* addStage(source) {
    for await (const item of source) yield item + text
  }

stageContract(
  'a composition of two stages',
  () =>
    compose(
      observe(() => {}),
      filter(createRules({ exclude: ['*.log'] }))
    ),
  makeTree
)
stageContract('a composition that packs', () => compose(filter(createRules()), pack({ whole: 'full' })), makeTree, {
  lookAhead: 100
})
stageContract('a composition with a Node transform', () => compose(new PassThrough({ objectMode: true })), makeTree, {
  lookAhead: 100
})

test('stages run in order, and one alone is itself', async () => {
  assert.deepEqual(await collect(compose(add('b'), add('c'))(['a'])), ['abc'])
  assert.deepEqual(await collect(compose(add('b'))(['a'])), ['ab'])
  assert.deepEqual(await collect(compose(add('b'), compose(add('c'), add('d')))(['a'])), ['abcd'])
})

test('every stage gets the context', async () => {
  const contexts: (StageContext | undefined)[] = []
  const watch: Stage<string> = async function* watchStage(source, context) {
    contexts.push(context)
    yield* source
  }
  const context = { signal: new AbortController().signal }
  await collect(compose(watch, watch)(['a'], context))
  assert.deepEqual(contexts, [context, context])
})

test('a transform inside ends with the error of a stage before or behind it', async () => {
  const error = new Error('of a stage')
  const fails: Stage<unknown> = async function* failStage(source) {
    for await (const item of source) {
      if (item === 'b') throw error
      yield item
    }
  }
  for (const place of ['before', 'behind'] as const) {
    const transform = new Transform({ objectMode: true, transform: (item, _, done) => done(null, item) })
    const stage = place === 'before' ? compose(fails, transform) : compose(transform, fails)
    await assert.rejects(collect(pipe(['a', 'b'], stage)), thrown => thrown === error)
    assert.ok(transform.destroyed)
  }
})

test('what is no stage is refused at the call', () => {
  for (const steps of [[], ['text'], [{}], [add('a'), 5]])
    assert.throws(() => (compose as (...steps: unknown[]) => unknown)(...steps), TypeError)
})
