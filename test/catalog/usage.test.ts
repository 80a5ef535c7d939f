import assert from 'node:assert/strict'
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { diskUsage } from '../../src/index.js'
import { NaiveChain } from '../helpers/chain.js'
import { code, collect } from '../helpers/entries.js'
import { run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

async function makeChain(base: string): Promise<NaiveChain> {
  const chain = new NaiveChain(base, { cache: false })
  const at = (path: string) => join(chain.source, path)
  for (const path of ['a/deep/er', 'b', 'c-d', 'c']) mkdirSync(at(path), { recursive: true })
  for (const [i, path] of ['x', 'a/1', 'a/2', 'a/deep/3', 'a/deep/er/4', 'c/5', 'c-d/6'].entries()) {
    writeFileSync(at(path), createRandom(i + 1).bytes(10_000 * (i + 1)))
  }
  linkSync(at('a/2'), at('a/z2'))
  symlinkSync('x', at('b/symlink'))
  await chain.full()
  writeFileSync(at('a/new'), createRandom(9).bytes(5000))
  writeFileSync(at('c/5'), createRandom(10).bytes(500))
  await chain.incremental()
  return chain
}

/** What du says of files and their hard links, without the sizes of directories and symlinks. */
function du(root: string): Map<string, number> {
  const lines = String(run('du', ['--apparent-size', '-B1', '--all', root]))
    .trim()
    .split('\n')
  return new Map(lines.map(line => [relative(root, line.split('\t')[1]!), Number(line.split('\t')[0])]))
}

test('directories are added up as du does, innermost first', oracle('du'), async t => {
  const chain = await makeChain(temporaryDirectory(t))
  for (const { date } of chain.reports) {
    const found = await collect(diskUsage('key', { ...chain.options, at: date }))
    assert.deepEqual(
      found.map(({ path }) => path),
      ['a/deep/er', 'a/deep', 'a', 'b', 'c', 'c-d', '.']
    )
    const judge = du(chain.copy(date))
    for (const { path, sizeBytes } of found) {
      // Directories and symlinks have a size to some versions of du.
      const others = [...judge].filter(([other]) => other === path || path === '.' || other.startsWith(`${path}/`))
      const files = others.filter(([other]) => /\d$|x$|new$/.test(other)).reduce((sum, [, size]) => sum + size, 0)
      assert.equal(sizeBytes, files, path)
    }
  }
})

test('new bytes are those of the backup itself, and depth and path choose', async t => {
  const chain = await makeChain(temporaryDirectory(t))
  const usage = async (options: object) =>
    (await collect(diskUsage('key', { ...chain.options, ...options }))).map(({ path, newBytes, files, entries }) => [
      path,
      newBytes,
      files,
      entries
    ])
  assert.deepEqual(await usage({ depth: 1 }), [
    ['a', 5000, 6, 9],
    ['b', 0, 0, 2],
    ['c', 500, 1, 2],
    ['c-d', 0, 1, 2],
    ['.', 5500, 9, 17]
  ])
  assert.deepEqual(await usage({ depth: 0, path: 'a/deep/' }), [['a/deep', 0, 2, 4]])
  assert.deepEqual(await usage({ path: 'a/new' }), [['a/new', 5000, 1, 1]])
  await assert.rejects(usage({ path: 'nosuch' }), code('IBT_NOT_FOUND'))
  await assert.rejects(usage({ depth: -1 }), RangeError)
})
