import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { addParents } from '../../src/stages/add-parents.js'
import { walk } from '../../src/stages/walk.js'
import type { Entry } from '../../src/types.js'
import { code, collect, directory, entry } from '../helpers/entries.js'
import { stageContract } from '../helpers/stage-contract.js'
import { temporaryDirectory } from '../native/tree.js'

stageContract(
  'addParents',
  () => addParents(),
  () => [directory('.'), entry('a'), entry('b')]
)

const paths = (entries: readonly Entry[]) => entries.map(({ path }) => path)

test('directories that did not come are made, each before what is in it', async () => {
  const made: string[] = []
  const onMade = ({ path }: Entry) => made.push(path)
  const mtimeNs = 5n
  const found = await collect(
    addParents({ onMade })([entry('a/b/c', { mtimeNs }), entry('a/b/d'), entry('a/c'), directory('e'), entry('e/f/g')])
  )
  assert.deepEqual(paths(found), ['.', 'a', 'a/b', 'a/b/c', 'a/b/d', 'a/c', 'e', 'e/f', 'e/f/g'])
  assert.deepEqual(made, ['.', 'a', 'a/b', 'e/f'])
  const { type, mode, uid, mtimeNs: time } = found[1]!
  assert.deepEqual([type, mode, uid, time], ['directory', 0o755, process.geteuid!(), mtimeNs])
})

test('a walk has all its directories, and a filter of files gets them back', async t => {
  const base = temporaryDirectory(t)
  mkdirSync(join(base, 'd/e'), { recursive: true })
  writeFileSync(join(base, 'd/e/f'), '')
  const all = await collect(walk(base))
  assert.deepEqual(await collect(addParents()(all)), all)
  const files = all.filter(({ type }) => type === 'file')
  assert.deepEqual(paths(await collect(addParents()(files))), paths(all))
})

test('what is not in path order is refused', async () => {
  const refuses = (expected: string, ...entries: readonly Entry[]) =>
    assert.rejects(collect(addParents()(entries)), code(expected))
  await refuses('IBT_OUT_OF_ORDER', entry('b'), entry('a'))
  await refuses('IBT_OUT_OF_ORDER', entry('d/a'), directory('d'))
  await refuses('IBT_OUT_OF_ORDER', entry('d'), entry('d'))
  await refuses('IBT_UNSAFE_PATH', entry('../d'))
})
