import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRules, createSelection } from '../../src/rules.js'
import { filter } from '../../src/stages/filter.js'
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

test('contents stay unopened', async () => {
  const entry = { ...file('a', 'a'), content: { open: () => assert.fail('opened') } }
  assert.deepEqual(await collect(filter(createRules())([entry])), [entry])
})

test('anything but rules is refused at the call', () => {
  for (const rules of [{}, { root: 1 }]) assert.throws(() => filter(rules as never), TypeError)
})
