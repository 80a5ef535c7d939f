import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Codec, gzip, none, zstd } from '../src/index.js'
import { assertRestoresByHand, BY_HAND_TOOLS, byHandScript } from './helpers/by-hand.js'
import { NaiveChain } from './helpers/chain.js'
import { assertSameTree, run } from './helpers/judges.js'
import { oracle } from './helpers/oracle.js'
import { EDITS, LARGE_EDITS, makeTree, SIZES, Tree } from './helpers/tree.js'
import { temporaryDirectory } from './native/tree.js'

const TOOLS = oracle(...BY_HAND_TOOLS)

/** A full and five increments: deltas, deletions, moves, other types, hard links, odd names, a delta in parts. */
async function makeChain(t: TestContext, codec: Codec, isLarge: boolean): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { codec })
  const tree = makeTree(
    chain.source,
    SIZES.filter(size => isLarge || size < 1e7)
  )
  await chain.full()
  for (const [i, edit] of EDITS.entries()) {
    edit(tree)
    if (isLarge) LARGE_EDITS[i]!(tree)
    await chain.incremental()
  }
  return chain
}

test('the page restores every date of a chain, with a delta in parts', TOOLS, async t => {
  const chain = await makeChain(t, zstd(), true)
  for (const { date } of chain.reports) assertRestoresByHand(chain, date)
})

for (const [name, codec] of Object.entries({ gzip: gzip(), none: none() })) {
  test(`the page restores the newest date of a chain with the codec ${name}`, TOOLS, async t => {
    const chain = await makeChain(t, codec, false)
    assertRestoresByHand(chain, chain.reports.at(-1)!.date)
  })
}

/** What the page says is enough: the named tools, and of the coreutils those that the script calls. */
const BARE = [
  ...['bash', 'env', 'tar', 'jq', 'rdiff', 'zstd', 'setfattr'],
  ...['base64', 'cat', 'chmod', 'chown', 'cp', 'ln', 'mkdir', 'mkfifo', 'mknod', 'mktemp', 'mv', 'realpath', 'rm'],
  ...['sha256sum', 'tac', 'touch', 'tr']
]

test('the page restores on a machine that has nothing but what it names', oracle(...BARE, 'rsync'), async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const tree = new Tree(chain.source, 1)
  tree.directory('d\n')
  tree.file('d\n/-f', 20_000)
  tree.symlink('link', 'd\n/-f')
  await chain.full()
  tree.splice('d\n/-f', 100, 0, 7)
  const { date } = await chain.incremental()
  const bin = join(chain.base, 'bin')
  mkdirSync(bin)
  for (const tool of BARE) symlinkSync(run('which', [tool]).toString().trim(), join(bin, tool))
  writeFileSync(join(chain.base, 'restore.sh'), byHandScript())
  const args = [join(chain.base, 'restore.sh'), chain.storePath, 'key', join(chain.base, 'out')]
  const { status, stderr } = spawnSync(join(bin, 'bash'), args, { env: { PATH: bin } })
  assert.equal(status, 0, String(stderr))
  assertSameTree(join(chain.base, 'out'), chain.copy(date))
})

/** Runs the script on a chain of one small file, after something was done to its store. */
async function runOn(t: TestContext, damage: (chain: NaiveChain) => void, ...date: string[]) {
  const chain = new NaiveChain(temporaryDirectory(t), { codec: none() })
  new Tree(chain.source, 1).file('a', 'content')
  await chain.full()
  damage(chain)
  const script = join(chain.base, 'restore.sh')
  writeFileSync(script, byHandScript())
  const destination = join(chain.base, 'out')
  const { status, stderr } = spawnSync('bash', [script, chain.storePath, 'key', destination, ...date])
  return { status, stderr: String(stderr), isThere: existsSync(join(destination, 'a')), left: readdirSync(chain.base) }
}

test(
  'the page restores nothing out of a damaged archive, and leaves nothing beside the destination',
  TOOLS,
  async t => {
    const { status, stderr, isThere, left } = await runOn(t, chain => {
      writeFileSync(chain.artifact('full', chain.reports[0]!.date), 'something else')
    })
    assert.equal(status, 1)
    assert.match(stderr, /not the stored bytes/)
    assert.equal(isThere, false)
    assert.deepEqual(
      left.filter(name => name.startsWith('out')),
      ['out']
    )
  }
)

test('the page says that there is no backup as old as is wanted', TOOLS, async t => {
  const { status, stderr } = await runOn(t, () => {}, '2000')
  assert.equal(status, 1)
  assert.match(stderr, /no backup as old/)
})
