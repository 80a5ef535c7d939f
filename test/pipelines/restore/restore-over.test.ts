import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type BackupReport,
  compose,
  fullBackup,
  type RestoreOptions,
  type RestoreReport,
  type RestoreStages,
  restoreBackup
} from '../../../src/index.js'
import { directoryStore } from '../../../src/stores/index.js'
import type { Entry, Layered, Source, StageContext, Store } from '../../../src/types.js'
import { NaiveChain } from '../../helpers/chain.js'
import { assertSameAttributes, copyTree, run } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { EDITS, makeTree } from '../../helpers/tree.js'
import { temporaryDirectory } from '../../native/tree.js'

const OVER = { overwrite: 'if-changed', delete: true } as const

/** Inode, links and time of change of all that is in a tree: whatever is written to, one of them differs. */
function inodes(root: string): string {
  return run('find', [root, '-printf', '%P %i %C@ %n\\n']).toString('latin1')
}

/** A store that counts the reads of archives. */
function countedStore(path: string): { store: Store; reads: () => number } {
  const store = directoryStore(path)
  let reads = 0
  const get: Store['get'] = (name, ...rest) => {
    if (!name.includes('.state.')) reads++
    return store.get(name, ...rest)
  }
  const rest = {
    id: store.id,
    put: store.put.bind(store),
    list: store.list.bind(store),
    delete: store.delete.bind(store)
  }
  return { store: { ...rest, get }, reads: () => reads }
}

async function makeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t))
  const tree = makeTree(chain.source)
  tree.directory('acl')
  run('mkfifo', [join(chain.source, 'acl/fifo')])
  await chain.full()
  for (const edit of EDITS) {
    edit(tree)
    await chain.incremental()
  }
  return chain
}

/** Restores nothing: neither the tree nor the reads of archives change. */
async function dryRestore(source: string, options: RestoreOptions, reads: () => number): Promise<RestoreReport> {
  const [before, readsBefore] = [inodes(source), reads()]
  let changes = 0
  const onChange = () => {
    changes++
  }
  const report = await restoreBackup('key', source, { ...options, dryRun: true, onChange })
  assert.deepEqual([report.dryRun, inodes(source), reads()], [true, before, readsBefore])
  assert.equal(changes, report.entries - report.unchangedEntries + report.deletedEntries)
  return report
}

function counts({ entries, files, sizeBytes, unchangedEntries, deletedEntries }: RestoreReport): readonly number[] {
  return [entries, files, sizeBytes, unchangedEntries, deletedEntries]
}

test(
  'every date is restored in place over every other, and a second time nothing is read or written',
  oracle('rsync'),
  async t => {
    const chain = await makeChain(t)
    const { store, reads } = countedStore(chain.storePath)
    const dates = chain.reports.map(({ date }) => date)
    // The last date has been in the source all the time: the first restore finds nothing to do but what the walk left.
    const order = [5, 0, 3, 1, 5, 2, 4, 0].map(i => dates[i]!)
    for (const at of order) {
      const options = { ...OVER, store, cache: false, at } as const
      const planned = await dryRestore(chain.source, options, reads)
      const report = await restoreBackup('key', chain.source, options)
      assert.deepEqual(counts(planned), counts(report))
      assert.equal(report.skippedEntries, 0)
      assertSameAttributes(chain.source, chain.copy(at), at)
      const [before, readsBefore] = [inodes(chain.source), reads()]
      const again = await restoreBackup('key', chain.source, options)
      assert.deepEqual([again.unchangedEntries, again.deletedEntries, again.sizeBytes], [again.entries, 0, 0])
      assert.equal(inodes(chain.source), before)
      assert.equal(reads(), readsBefore)
    }
  }
)

test('random damage to a restored tree is made good', oracle('rsync'), async t => {
  const chain = await makeChain(t)
  const { date } = chain.reports.at(-1)!
  const damaged = join(chain.base, 'damaged')
  const paths = run('find', [chain.copy(date), '-type', 'f', '-size', '-20k', '-printf', '%P\\0'])
    .toString('latin1')
    .split('\0')
    .slice(0, -1)
    .sort()
  for (let seed = 1; seed <= 3; seed++) {
    const random = createRandom(seed)
    copyTree(chain.copy(date), damaged)
    for (const path of paths) {
      const at = Buffer.from(join(damaged, path), 'latin1')
      const dice = random.int(8)
      if (dice === 0) rmSync(at, { force: true })
      else if (dice === 1) writeFileSync(at, random.bytes(100))
      else if (dice === 2) {
        rmSync(at)
        mkdirSync(at)
        writeFileSync(Buffer.concat([at, Buffer.from('/below')]), '')
      }
    }
    await chain.restore('damaged', { ...OVER, at: date, overwrite: seed % 2 ? 'always' : 'if-changed' })
    assertSameAttributes(damaged, chain.copy(date), `seed ${seed}`)
    rmSync(damaged, { recursive: true })
  }
})

async function makeSmall(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t))
  for (const name of ['a/b/1', 'a/c/2', 'a/3', 'd/4', '5.txt']) {
    mkdirSync(join(chain.source, name, '..'), { recursive: true })
    writeFileSync(join(chain.source, name), name)
  }
  await chain.full()
  return chain
}

const filesOf = (root: string) =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(found => !found.isDirectory())
    .map(found => join(found.parentPath, found.name).slice(root.length + 1))
    .sort()

test('with a selection only the selected directories are cleared', async t => {
  const extra = ['a/b/x', 'a/c/x', 'a/x', 'd/x', 'x.txt']
  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['a/b'], ['a/c/x', 'a/x', 'd/x', 'x.txt']],
    [['a'], ['d/x', 'x.txt']],
    [
      ['a', '!a/c'],
      ['a/c/x', 'd/x', 'x.txt']
    ],
    [['*.txt'], extra],
    [['a/3'], extra],
    [['.'], []]
  ]
  for (const [paths, left] of cases) {
    const chain = await makeSmall(t)
    for (const name of extra) writeFileSync(join(chain.source, name), 'extra')
    const { deletedEntries } = await chain.restore('source', { ...OVER, paths })
    assert.deepEqual(
      filesOf(chain.source).filter(name => extra.includes(name)),
      left,
      paths.join(' ')
    )
    assert.equal(deletedEntries, extra.length - left.length)
  }
})

test('a selection restores what it selects and leaves all else alone', async t => {
  const chain = await makeSmall(t)
  for (const name of ['a/b/1', 'd/4']) writeFileSync(join(chain.source, name), 'changed')
  for (const name of ['.', 'a']) chmodSync(join(chain.source, name), 0o711)
  writeFileSync(join(chain.source, 'a/new'), '')
  const before = [statSync(chain.source), statSync(join(chain.source, 'a'))]
  await chain.restore('source', { ...OVER, paths: ['a/b'] })
  for (const [i, { mode, mtimeMs }] of [statSync(chain.source), statSync(join(chain.source, 'a'))].entries()) {
    assert.deepEqual([mode, mtimeMs], [before[i]!.mode, before[i]!.mtimeMs])
  }
  assert.equal(readFileSync(join(chain.source, 'a/b/1'), 'utf8'), 'a/b/1')
  assert.equal(readFileSync(join(chain.source, 'd/4'), 'utf8'), 'changed')
})

test('store and cache in the destination are not deleted, nor written over', async t => {
  const base = join(temporaryDirectory(t), 'source')
  mkdirSync(join(base, 'keep'), { recursive: true })
  writeFileSync(join(base, 'file'), 'content')
  const options = { store: join(base, 'keep/deep/store'), cache: join(base, 'cache'), key: 'key' }
  const { leftOut }: BackupReport = await fullBackup(base, options)
  assert.equal(leftOut.length, 2)
  mkdirSync(join(base, 'other/deep'), { recursive: true })
  await restoreBackup('key', base, { ...options, ...OVER })
  assert.ok(existsSync(options.store) && existsSync(options.cache))
  assert.ok(!existsSync(join(base, 'other')))
  await restoreBackup('key', base, { ...options, ...OVER })
  await assert.rejects(restoreBackup('key', options.store, { ...options, ...OVER }), RangeError)
})

/** Passes on what a caller wants, in another way each. */
const FILTERS = {
  'a filter of its own': (isWanted: (path: string) => boolean) => ({ filter: dropOthers(isWanted) }),
  'a filter behind the default one': (isWanted: (path: string) => boolean) => (d: RestoreStages) => ({
    filter: compose(d.filter, dropOthers<Layered>(isWanted))
  }),
  'a stage in front of write': (isWanted: (path: string) => boolean) => (d: RestoreStages) => ({
    write: (source: Source<Entry>, context?: StageContext) => d.write(dropOthers<Entry>(isWanted)(source), context)
  })
}

function dropOthers<T extends Entry>(isWanted: (path: string) => boolean) {
  return async function* (source: Source<T>) {
    for await (const entry of source) if (isWanted(entry.path)) yield entry
  }
}

for (const [name, stages] of Object.entries(FILTERS)) {
  test(`with delete, what is in the backup and dropped by ${name} stays`, async t => {
    const base = temporaryDirectory(t)
    const [source, destination] = [join(base, 'source'), join(base, 'destination')]
    const options = { store: join(base, 'store'), cache: false } as const
    for (const directory of ['dropped/deep', 'kept']) mkdirSync(join(source, directory), { recursive: true })
    for (const file of ['a', 'b', 'dropped/deep/x', 'kept/a', 'kept/b', 'kept/z', 'z']) {
      writeFileSync(join(source, file), file)
    }
    await fullBackup(source, { ...options, key: 'key' })
    copyTree(source, destination)
    for (const file of ['b', 'kept/b', 'z', 'dropped/deep/x']) writeFileSync(join(destination, file), 'mine')
    for (const file of ['0', 'kept/c', 'zz', 'dropped/own']) writeFileSync(join(destination, file), 'added')
    const isWanted = (path: string) => !/(^|\/)[bz]$|^dropped/.test(path)
    const { deletedEntries } = await restoreBackup('key', destination, {
      ...options,
      ...{ overwrite: 'always', delete: true, stages: stages(isWanted) }
    })
    assert.equal(deletedEntries, 3)
    const mine = ['b', 'kept/b', 'z', 'dropped/deep/x'].map(file => readFileSync(join(destination, file), 'utf8'))
    assert.deepEqual(mine, ['mine', 'mine', 'mine', 'mine'])
    assert.deepEqual(readdirSync(destination).sort(), ['a', 'b', 'dropped', 'kept', 'z'])
    assert.deepEqual(readdirSync(join(destination, 'kept')).sort(), ['a', 'b', 'z'])
  })
}
