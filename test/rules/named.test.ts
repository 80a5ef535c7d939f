import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRules } from '../../src/rules.js'
import { filter } from '../../src/stages/filter.js'
import { walk } from '../../src/stages/walk.js'
import { collect, directory, file } from '../helpers/entries.js'
import { Tree } from '../helpers/tree.js'
import { watchedRules } from '../helpers/watched-rules.js'
import { temporaryDirectory } from '../native/tree.js'

/** What a walk finds and misses where only some entries are named, and which directories it lists. */
async function walkNamed(root: string, files: readonly string[], exclude: readonly string[] = []) {
  const missing: string[] = []
  const entered: string[] = []
  const rules = createRules({ files, exclude, onMissing: path => missing.push(path) })
  const watched = watchedRules(
    rules,
    () => {},
    path => entered.push(path)
  )
  const found = (await collect(filter(rules)(walk(root, watched)))).map(({ path }) => path)
  return { found, missing, entered }
}

function makeTree(root: string): Tree {
  const tree = new Tree(root, 1)
  for (const path of ['a/b', 'c/d', 'odd', 'empty']) tree.directory(path)
  for (const path of ['a/b/x', 'a/b/y', 'a/z', 'c/d/x', 'c/x', 'a.b', 'odd/*', 'x']) tree.file(path)
  tree.file(Buffer.from('odd/\xff', 'latin1'))
  tree.symlink('link', 'a')
  return tree
}

test('what is named comes with all below and the directories that lead to it; nothing else is listed', async t => {
  const root = makeTree(temporaryDirectory(t)).root
  assert.deepEqual(await walkNamed(root, ['a/b', 'c/x', 'link']), {
    found: ['.', 'a', 'a/b', 'a/b/x', 'a/b/y', 'c', 'c/x', 'link'],
    missing: [],
    entered: ['a', 'a/b', 'c']
  })
})

test('names are spelled as find prints them, in any order and more than once', async t => {
  const root = makeTree(temporaryDirectory(t)).root
  const { found } = await walkNamed(root, ['./x', 'c//x', './a/./b/', 'x', 'a/b/x', 'empty/'])
  assert.deepEqual(found, ['.', 'a', 'a/b', 'a/b/x', 'a/b/y', 'c', 'c/x', 'empty', 'x'])
  const all = await walkNamed(root, ['.'])
  assert.deepEqual(
    all.found,
    (await collect(walk(root))).map(({ path }) => path)
  )
})

test('a name is no pattern, and may be of any bytes', async t => {
  const root = makeTree(temporaryDirectory(t)).root
  const { found, missing } = await walkNamed(root, ['odd/*', '*', 'odd/\udcff', 'constructor', '__proto__'])
  assert.deepEqual(found, ['.', 'odd', 'odd/*', 'odd/\udcff'])
  assert.deepEqual(missing.sort(), ['*', '__proto__', 'constructor'])
})

test('of what is not there each name is told once, also below a file or beside an entry', async t => {
  const root = makeTree(temporaryDirectory(t)).root
  const { found, missing } = await walkNamed(root, [
    'a/no',
    'no/x',
    'no/y/z',
    'x',
    'x/below',
    'link/b',
    'c/d',
    'c/d/no'
  ])
  assert.deepEqual(found, ['.', 'a', 'c', 'c/d', 'c/d/x', 'x'])
  assert.deepEqual(missing.sort(), ['a/no', 'c/d/no', 'link/b', 'no/x', 'no/y/z', 'x/below'])
})

test('what excludes is stronger than a name, and makes nothing missing', async t => {
  const root = makeTree(temporaryDirectory(t)).root
  assert.deepEqual(await walkNamed(root, ['a/b/x', 'c', 'x'], ['b', '/c/x', '/x']), {
    found: ['.', 'a', 'c', 'c/d', 'c/d/x'],
    missing: [],
    entered: ['a', 'c', 'c/d']
  })
})

test('of no names nothing but the root is kept', async t => {
  const root = makeTree(temporaryDirectory(t)).root
  assert.deepEqual(await walkNamed(root, []), { found: ['.'], missing: [], entered: [] })
})

test('alone, on a tar, the names hold, and nothing is said to be missing', async () => {
  const missing: string[] = []
  const rules = createRules({ files: ['a/b', 'c/d/e', 'no'], onMissing: path => missing.push(path) })
  const entries = [
    directory('.'),
    directory('a'),
    file('a/b', ''),
    file('a/c', ''),
    file('c/d/e/f', ''),
    file('c/x', '')
  ]
  const found = await collect(filter(rules)(entries))
  assert.deepEqual(
    found.map(({ path }) => path),
    ['.', 'a', 'a/b', 'c/d/e/f']
  )
  assert.deepEqual(missing, [])
})
