import assert from 'node:assert/strict'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fullBackup, incrementalBackup, type RulesOptions, restoreBackup } from '../../src/index.js'
import { fromTar } from '../../src/interop/index.js'
import { bytesOf, code, collect } from '../helpers/entries.js'
import { assertSameTree, run } from '../helpers/judges.js'
import { oddDirectory, oddFile } from '../helpers/odd-tars.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

function makeTree(t: TestContext) {
  const base = temporaryDirectory(t)
  const tree = join(base, 'tree')
  mkdirSync(join(tree, 'd'), { recursive: true })
  writeFileSync(join(tree, 'a'), 'A')
  writeFileSync(join(tree, 'large'), randomBytes(9_000_000, 3))
  linkSync(join(tree, 'large'), join(tree, 'd/first'))
  symlinkSync('a', join(tree, 's'))
  const tar = (...names: string[]) => run('tar', ['--format=pax', '--no-recursion', '-C', tree, '-cf', '-', ...names])
  return { base, tree, tar, options: { key: 'k', store: join(base, 'store'), cache: false } as const }
}

test('an unsorted tar is refused before anything is stored', oracle('tar'), async t => {
  const { base, tar, options } = makeTree(t)
  const walk = fromTar([tar('.', 'large', 'd', 'a')])
  await assert.rejects(fullBackup(base, { ...options, stages: { walk } }), code('IBT_OUT_OF_ORDER'))
  assert.deepEqual(existsSync(options.store) ? readdirSync(options.store) : [], [])
})

test(
  'sorted, it is the source of a full and of an increment, hard links in any order',
  oracle('tar', 'rsync'),
  async t => {
    const { base, tree, tar, options } = makeTree(t)
    const source = () => fromTar([tar('s', 'large', 'd/first', 'd', 'a', '.')], { sort: 'spool', spoolDirectory: base })
    const full = await fullBackup(base, { ...options, stages: { walk: source() } })
    assert.deepEqual([full.totals.entries, full.skippedEntries, full.madeDirectories], [6, 0, 0])
    await restoreBackup('k', join(base, 'out'), options)
    assertSameTree(join(base, 'out'), tree)
    const next = await incrementalBackup(base, { ...options, stages: { walk: source() } })
    assert.equal(next.totals.unchanged, 6)
    assert.deepEqual(
      readdirSync(base).filter(name => name.startsWith('.ibt-spool')),
      []
    )
  }
)

test('a further name keeps the content where rules exclude the first', oracle('tar'), async t => {
  const { base, tar, options } = makeTree(t)
  const rules: RulesOptions = { exclude: ['/large'] }
  const walk = fromTar([tar('.', 'large', 'd', 'd/first')], { sort: 'spool' })
  const { skippedEntries } = await fullBackup(base, { ...options, rules, stages: { walk } })
  assert.equal(skippedEntries, 0)
  await restoreBackup('k', join(base, 'out'), options)
  assert.deepEqual(readFileSync(join(base, 'out/d/first')), readFileSync(join(base, 'tree/large')))
})

test('the last entry of a path counts, and an earlier link keeps what it was a link to', async () => {
  const tar = Buffer.concat([
    ...[oddFile('a', 'old'), oddFile('b', '', { flag: '1', link: 'a' }), oddFile('a', 'new')],
    ...[oddDirectory('d/', { mode: 0o700 }), oddDirectory('d/', { mode: 0o750 }), Buffer.alloc(1024)]
  ])
  const found: [string, number, string][] = []
  for await (const { path, mode, content } of fromTar([tar], { sort: 'spool' }))
    found.push([path, mode, content === undefined ? '' : String(await bytesOf(content.open()))])
  assert.deepEqual(found, [
    ['a', 0o644, 'new'],
    ['b', 0o644, 'old'],
    ['d', 0o750, '']
  ])
})

test('a content can be opened twice while entries come, and not afterwards', async () => {
  const tar = Buffer.concat([oddFile('b', 'B'.repeat(3000)), oddFile('a', 'A'), Buffer.alloc(1024)])
  const entries = fromTar([tar], { sort: 'spool' })
  const a = (await entries.next()).value!
  const b = (await entries.next()).value!
  const texts = await Promise.all([a, b, a].map(async ({ content }) => String(await bytesOf(content!.open()))))
  assert.deepEqual(texts, ['A', 'B'.repeat(3000), 'A'])
  assert.equal((await entries.next()).done, true)
  await assert.rejects(bytesOf(a.content!.open()), code('IBT_READ_FAILED'))
})

test('a spool that cannot be written is told as such, and a tar that is left early leaves none', async t => {
  const base = temporaryDirectory(t)
  const large = oddFile('a', 'x'.repeat(3_000_000))
  const tar = Buffer.concat([large, Buffer.alloc(1024)])
  const missing = fromTar([tar], { sort: 'spool', spoolDirectory: join(base, 'missing') })
  await assert.rejects(collect(missing), code('IBT_WRITE_FAILED'))
  for await (const _ of fromTar([tar], { sort: 'spool', spoolDirectory: base })) break
  assert.deepEqual(readdirSync(base), [])
})
