import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRules, createSelection } from '../../src/rules.js'
import { filter } from '../../src/stages/filter.js'
import type { Entry } from '../../src/types.js'
import { collect, directory, file } from '../helpers/entries.js'
import { stageContract } from '../helpers/stage-contract.js'

const makeTree = () => [
  directory('.'),
  directory('a'),
  file('a/keep', 'k'),
  file('a/skip.log', 's'),
  directory('b'),
  directory('b/c'),
  file('b/c/d', 'd'),
  file('b.log', 'bb'),
  file('c', 'c')
]

const kept = async (stage: ReturnType<typeof filter>) => (await collect(stage(makeTree()))).map(({ path }) => path)

/** A path that ends in a slash is a directory. */
const entriesOf = (...paths: string[]) =>
  paths.map(path => (path.endsWith('/') ? directory(path.slice(0, -1)) : file(path, path)))

const pathsOf = async (stage: ReturnType<typeof filter>, items: readonly Entry[]) =>
  (await collect(stage(items))).map(({ path }) => path)

stageContract('filter by rules', () => filter(createRules({ exclude: ['*.log'] })), makeTree)
stageContract('filter by a selection', () => filter(createSelection(['*'])), makeTree)

test('what a rule excludes goes with all below it', async () => {
  assert.deepEqual(await kept(filter(createRules({ exclude: ['b', '*.log'] }))), ['.', 'a', 'a/keep', 'c'])
  const byFacts = filter(createRules({ excludeLargerThanBytes: 1, excludePaths: ['a'] }))
  assert.deepEqual(await kept(byFacts), ['.', 'b', 'b/c', 'b/c/d', 'c'])
})

test('a pattern that takes back does not bring back what lies in an excluded directory', async () => {
  const rules = createRules({ exclude: ['b', '!d', 'a/*', '!keep'] })
  assert.deepEqual(await kept(filter(rules)), ['.', 'a', 'a/keep', 'b.log', 'c'])
})

test('a selection keeps the directories that lead to what it selects, and no others', async () => {
  assert.deepEqual(await kept(filter(createSelection(['d']))), ['.', 'b', 'b/c', 'b/c/d'])
  assert.deepEqual(await kept(filter(createSelection(['/a']))), ['.', 'a', 'a/keep', 'a/skip.log'])
  assert.deepEqual(await kept(filter(createSelection(['nothing']))), [])
})

test('a directory is excluded also where it has no entry of its own', async () => {
  const rules = createRules({ exclude: ['build/'], excludePaths: ['a/b'] })
  const items = entriesOf('a/b/c/d', 'a/x', 'build/x/y', 'a/b/e', 'build/z', 'z')
  assert.deepEqual(await pathsOf(filter(rules), items), ['a/x', 'z'])
})

test('rules without patterns of the caller drop nothing', async () => {
  const tree = makeTree()
  assert.deepEqual(await collect(filter(createRules())(tree)), tree)
})

test('one stage runs many sources, and none knows of another', async () => {
  const stage = filter(createRules({ exclude: ['/a'] }))
  const runs = await Promise.all([kept(stage), pathsOf(stage, entriesOf('b/a', 'a/b')), kept(stage)])
  assert.deepEqual(runs[1], ['b/a'])
  assert.deepEqual(runs[0], runs[2])
})

test('a selection that takes back leaves that out, and one of nothing leaves out all', async () => {
  assert.deepEqual(await kept(filter(createSelection(['a', '!*.log']))), ['.', 'a', 'a/keep'])
  assert.deepEqual(await kept(filter(createSelection([]))), [])
  assert.deepEqual(await kept(filter(createSelection(['.']))), await kept(filter(createRules())))
})

test('a directory that waits is let go as soon as the order has passed it', async () => {
  const items = entriesOf('./', 'a/', 'a/b/', 'a/b/x', 'a/c', 'd/', 'd/y')
  assert.deepEqual(await pathsOf(filter(createSelection(['y'])), items), ['.', 'd', 'd/y'])
})

test('contents stay unopened', async () => {
  const entry = { ...file('a', 'a'), content: { open: () => assert.fail('opened') } }
  for (const rules of [createRules(), createRules({ exclude: ['b'] }), createSelection(['a'])]) {
    assert.deepEqual(await collect(filter(rules)([entry])), [entry])
  }
})

test('anything but rules is refused at the call', () => {
  for (const rules of [undefined, {}, { root: 1 }, ['*.o'], '*.o'])
    assert.throws(() => filter(rules as never), TypeError)
})
