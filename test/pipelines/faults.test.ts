import assert from 'node:assert/strict'
import { closeSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { verifyBackup } from '../../src/index.js'
import { NaiveChain } from '../helpers/chain.js'
import { backupWithFaults } from '../helpers/faults.js'
import { assertSameTree, assertTarsExtract, assertTarsList, copyTree, run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { Tree } from '../helpers/tree.js'
import { temporaryDirectory } from '../native/tree.js'

const LINUX =
  process.platform === 'linux'
    ? oracle('cc', 'rsync', 'tar', 'bsdtar', 'setfattr')
    : { skip: 'tests what only Linux has' }

const SMALL = 50_000
const LARGE = 9 << 20
/** By name: sizes, and faults as faults.c knows them. */
const UNREADABLE: Readonly<Record<string, number>> = {
  'small#open': SMALL,
  'small#fstat': SMALL,
  'small#read': SMALL,
  'small#ghost': SMALL,
  'small#noopen': SMALL,
  'large#ghost': LARGE,
  'large#noopen': LARGE,
  'tiny#read': 10,
  'large#open': LARGE,
  'large#fstat': LARGE,
  'large#look': LARGE,
  'large#read': LARGE,
  'large#late': LARGE,
  'sparse#seek': LARGE,
  'sparse#late': LARGE,
  // A group whose first member cannot be read, and one whose second cannot.
  'group 1#read': SMALL,
  'large group 1#late': LARGE
}
const LINKS: Readonly<Record<string, string>> = {
  'group 2': 'group 1#read',
  'group 3': 'group 1#read',
  'large group 2': 'large group 1#late',
  'large group 3': 'large group 1#late',
  'other group 2#read': 'other group 1'
}
const UNREADABLE_DIRECTORIES = [
  'directory#open',
  'directory#readdir',
  'directory#fstat',
  'directory#ghost',
  'directory#noopen'
]
const DIRTY: Readonly<Record<string, number>> = { 'small#busy9': SMALL, 'large#busy5': LARGE }
const READABLE: Readonly<Record<string, number>> = {
  'a file before': SMALL,
  'directory#x': 100,
  'large#close': LARGE,
  'other group 1': SMALL,
  'small#busy2': SMALL,
  'small#close': SMALL,
  'small#xget': SMALL,
  'small#xlist': SMALL,
  'large#xlist': LARGE,
  'directory#xlist/file': 10,
  zero: 0,
  'zz a file behind': LARGE
}

/** They come back, but for their attributes. */
const WITHOUT_ATTRIBUTES = ['directory#xlist', 'large#xlist', 'small#xget', 'small#xlist']

const FILES = { ...UNREADABLE, ...DIRTY, ...READABLE }

function makeTree(chain: NaiveChain): Tree {
  const tree = new Tree(chain.source, 1)
  tree.directory('directory#xlist')
  for (const [name, sizeBytes] of Object.entries(FILES)) {
    tree.file(name, sizeBytes)
    if (name.startsWith('sparse')) truncateSync(tree.at(name), 2 * sizeBytes)
  }
  setAttribute(join(chain.source, 'small#xget'))
  for (const [name, to] of Object.entries(LINKS)) tree.link(name, to)
  for (const name of UNREADABLE_DIRECTORIES) {
    tree.directory(`${name}/sub`)
    tree.file(`${name}/file`, SMALL)
    tree.file(`${name}/sub/file`, 10)
  }
  return tree
}

/** One that cannot be read: without any, nothing fails. */
function setAttribute(path: string): void {
  run('setfattr', ['-n', 'user.x', '-v', 'value', path])
}

/** What a backup with faults is to bring back: the source, but the unreadable as it was in `before`, or not at all. */
function makeExpected(chain: NaiveChain, before: string | undefined): string {
  const expected = join(chain.base, 'expected')
  rmSync(expected, { recursive: true, force: true })
  copyTree(chain.source, expected)
  for (const name of [...Object.keys(UNREADABLE), ...UNREADABLE_DIRECTORIES]) {
    rmSync(join(expected, name), { recursive: true })
    if (before !== undefined) copyTree(join(before, name), join(expected, name))
  }
  run('touch', ['-r', chain.source, expected])
  return expected
}

async function judge(chain: NaiveChain, before: string | undefined): Promise<number> {
  for (const name of chain.stored('').filter(name => name.includes('.tar'))) {
    const archive = join(chain.base, 'archive.tar')
    run('zstd', ['-dqf', '-o', archive, join(chain.storePath, name)])
    assertTarsList(archive)
    if (!name.includes('.updated.') && !name.includes('.sigvault.')) assertTarsExtract(archive, chain.base)
  }
  const { problems } = await verifyBackup('key', { store: chain.storePath, cache: false, readData: true })
  assert.deepEqual(problems, [])
  const { skippedEntries } = await chain.restore('restored', { cache: false })
  const expected = makeExpected(chain, before)
  // The times of a file that changes under its reading may be those before or those behind.
  for (const name of Object.keys(DIRTY)) run('touch', ['-r', join(chain.base, 'restored', name), join(expected, name)])
  assertSameTree(join(chain.base, 'restored'), expected)
  rmSync(join(chain.base, 'restored'), { recursive: true })
  return skippedEntries
}

const SKIPPED = Object.keys(UNREADABLE).length + UNREADABLE_DIRECTORIES.length
/** In a run; of those without attributes all else is there. */
const UNREADABLE_ENTRIES = SKIPPED + WITHOUT_ATTRIBUTES.length
const ERRORS = [
  ...[...Object.keys(UNREADABLE), ...UNREADABLE_DIRECTORIES].map(path => [path, 'IBT_READ_FAILED']),
  ...WITHOUT_ATTRIBUTES.map(path => [path, 'IBT_READ_FAILED']),
  ...Object.keys(DIRTY).map(path => [path, 'IBT_FILE_CHANGED'])
].sort()

test(
  'what a full cannot read is left out and reported; all else is right, and the next run heals it',
  LINUX,
  async t => {
    const chain = makeChain(t)
    makeTree(chain)
    const { report, errors } = backupWithFaults(chain, 'full')
    assert.deepEqual([...errors].sort(), ERRORS)
    const { totals, skippedEntries } = report
    assert.deepEqual(
      [totals.unreadable, totals.dirty, totals.carried],
      [UNREADABLE_ENTRIES, Object.keys(DIRTY).length, 0]
    )
    assert.equal(skippedEntries, UNREADABLE_ENTRIES + Object.keys(DIRTY).length)
    assert.equal(await judge(chain, undefined), SKIPPED)
    await heal(chain)
  }
)

test('what an increment cannot read is as it was, and the next run heals it', LINUX, async t => {
  const chain = makeChain(t)
  const tree = makeTree(chain)
  const { date } = await chain.full()
  for (const [name, sizeBytes] of Object.entries(FILES)) editInPlace(chain, name, sizeBytes >> 1)
  for (const name of UNREADABLE_DIRECTORIES) {
    tree.remove(`${name}/sub`)
    tree.file(`${name}/file`, 10)
    tree.file(`${name}/added`, 10)
  }
  for (let runs = 0; runs < 2; runs++) {
    const { report, errors } = backupWithFaults(chain, 'incremental')
    assert.deepEqual([...errors].sort(), ERRORS)
    const { totals } = report
    assert.deepEqual([totals.unreadable, totals.deleted], [UNREADABLE_ENTRIES, 0])
    assert.equal(totals.carried, Object.keys(UNREADABLE).length + UNREADABLE_DIRECTORIES.length * 4)
    assert.equal(await judge(chain, chain.copy(date)), 0)
    await chain.restore('attributes', { cache: false, paths: ['small#xget'], overwrite: 'always' })
    const path = join(chain.base, 'attributes/small#xget')
    assert.equal(String(run('getfattr', ['--only-values', '--absolute-names', '-n', 'user.x', path])), 'value')
  }
  await heal(chain)
})

/** Leaves the holes of a sparse file as they are. */
function editInPlace(chain: NaiveChain, name: string, offset: number): void {
  const fd = openSync(join(chain.source, name), 'r+')
  writeSync(fd, 'edited', offset)
  closeSync(fd)
}

async function heal(chain: NaiveChain): Promise<void> {
  const { date, skippedEntries, totals } = await chain.incremental()
  assert.deepEqual([skippedEntries, totals.carried, totals.dirty, totals.unreadable], [0, 0, 0, 0])
  await chain.assertRestores(date)
}

function makeChain(t: TestContext): NaiveChain {
  return new NaiveChain(temporaryDirectory(t), { cache: false })
}
