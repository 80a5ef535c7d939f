import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BackupError } from '../../src/errors.js'
import { findEntries, fullBackup, incrementalBackup } from '../../src/index.js'
import { memoryStore } from '../../src/stores/index.js'
import type { Entry } from '../../src/types.js'
import { NaiveChain } from '../helpers/chain.js'
import { code, collect, directory, file } from '../helpers/entries.js'
import { temporaryDirectory } from '../native/tree.js'

/** As many backups as there are trees: each tree has files by their name, with their content. */
async function makeBackups(root: string, trees: readonly Readonly<Record<string, string>>[]) {
  const store = memoryStore()
  const options = { store, cache: false as const, key: 'key' }
  const dates: string[] = []
  for (const [i, tree] of trees.entries()) {
    const files = Object.keys(tree)
      .sort()
      .map((path): Entry => file(path, tree[path]!, { mtimeNs: BigInt(i) }))
    const backup = i === 0 ? fullBackup : incrementalBackup
    dates.push(
      (await backup(root, { ...options, allowShrink: true, stages: { walk: [directory('.'), ...files] } })).date
    )
  }
  const find = async (pattern: string, key: string | undefined = 'key') =>
    (await collect(findEntries(key, pattern, options))).map(({ path, first, last, backups, isCurrent }) => [
      path,
      dates.indexOf(first),
      dates.indexOf(last),
      backups,
      isCurrent
    ])
  return { options, dates, find }
}

test('each content of a path is one version, from its first to its last backup', async t => {
  const { find } = await makeBackups(temporaryDirectory(t), [
    { a: '1', b: 'x' },
    { a: '1' },
    { a: '2', b: 'x' },
    { a: '2', b: 'x', c: '1' }
  ])
  assert.deepEqual(await find('a'), [
    ['a', 0, 1, 2, false],
    ['a', 2, 3, 2, true]
  ])
  assert.deepEqual(await find('b'), [
    ['b', 0, 0, 1, false],
    ['b', 2, 3, 2, true]
  ])
  assert.deepEqual(await find('[ac]'), [
    ['a', 0, 1, 2, false],
    ['a', 2, 3, 2, true],
    ['c', 3, 3, 1, true]
  ])
  assert.deepEqual(await find('nosuch'), [])
})

test('more backups than are merged together are merged in parts', async t => {
  const backups = 40
  const tree = (i: number) => ({ always: '0', ...(i !== 20 && { often: '0' }), changes: String(i < 17) })
  const { find } = await makeBackups(
    temporaryDirectory(t),
    Array.from({ length: backups }, (_, i) => tree(i))
  )
  assert.deepEqual(await find('*'), [
    ['always', 0, 39, backups, true],
    ['changes', 0, 16, 17, false],
    ['changes', 17, 39, 23, true],
    ['often', 0, 19, 20, false],
    ['often', 21, 39, 19, true]
  ])
})

test('a pattern does not find what is below a match, and one in a directory reads only that', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  mkdirSync(join(chain.source, 'a/b'), { recursive: true })
  writeFileSync(join(chain.source, 'a/b/c.txt'), 'x')
  writeFileSync(join(chain.source, 'c.txt'), 'x')
  await chain.full()
  const find = async (pattern: string) =>
    (await collect(findEntries('key', pattern, chain.options))).map(({ path }) => path)
  assert.deepEqual(await find('b'), ['a/b'])
  assert.deepEqual(await find('/a/b'), ['a/b'])
  assert.deepEqual(await find('a/b/*'), ['a/b/c.txt'])
  assert.deepEqual(await find('*.txt'), ['a/b/c.txt', 'c.txt'])
  assert.deepEqual(await find('"c.txt"'), ['c.txt'])
  await assert.rejects(find(''), RangeError)
})

test('all keys are searched, in order', async t => {
  const root = temporaryDirectory(t)
  const { find, options } = await makeBackups(root, [{ a: '1' }])
  for (const key of ['x', 'b'])
    await fullBackup(root, { ...options, key, stages: { walk: [directory('.'), file('a', '1')] } })
  const keys = (await collect(findEntries(undefined, 'a', options))).map(({ key }) => key)
  assert.deepEqual(keys, ['b', 'key', 'x'])
  assert.equal((await find('a')).length, 1)
})

test('a state that cannot be read ends the search, or is passed over and bridged', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  writeFileSync(join(chain.source, 'a'), '1')
  await chain.full()
  for (let i = 0; i < 2; i++) {
    writeFileSync(join(chain.source, `other-${i}`), '1')
    await chain.incremental()
  }
  const state = chain.artifact('state', chain.reports[1]!.date)
  writeFileSync(state, readFileSync(state).subarray(0, -20))
  await assert.rejects(collect(findEntries('key', 'a', chain.options)), code('IBT_ARCHIVE_TRUNCATED'))
  const errors: BackupError[] = []
  const onError = (error: BackupError) => errors.push(error)
  const found = await collect(findEntries('key', 'a', { ...chain.options, onError }))
  assert.deepEqual(
    found.map(({ first, last }) => [first, last]),
    [[chain.reports[0]!.date, chain.reports[2]!.date]]
  )
  assert.equal(errors.length, 1)
  rmSync(chain.artifact('state', chain.reports[0]!.date))
  assert.equal((await collect(findEntries('key', 'a', { ...chain.options, onError }))).length, 1)
})
