import assert from 'node:assert/strict'
import { lchownSync, linkSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type BackupReport, listEntries, type StateEntry } from '../../../src/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { collect } from '../../helpers/entries.js'
import { assertTarCompares, assertTarsExtract } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { Tree, usableMode } from '../../helpers/tree.js'
import { temporaryDirectory } from '../../native/tree.js'

const TOOLS = oracle('rsync', 'tar', 'bsdtar', 'touch', 'mkfifo')
const IS_ROOT = process.geteuid?.() === 0
/** At the borders of ustar's octal fields and of the system: 2^32-1 stands for "leave it as it is". */
const OWNERS = [0, 1, 65_534, 2_097_151, 2_097_152, 2_147_483_648, 4_294_967_294]
const MODES = [0, 0o400, 0o777, 0o4755, 0o2755, 0o1755, 0o7777, 0o6111]
/** Seconds: from what ext4 can hold to what 64 bits of nanoseconds can. */
const TIMES = [
  '-2147483648',
  '-1000000000.000000001',
  '-0.5',
  '0',
  '0.000000001',
  '2147483648.9',
  '9223372035.999999999'
]

const KINDS: Readonly<Record<string, (tree: Tree, path: string) => void>> = {
  file: (tree, path) => tree.file(path, 20_000),
  directory: (tree, path) => tree.directory(path),
  symlink: (tree, path) => tree.symlink(path, 'nowhere')
}

/** Gives every entry the next of each metadata. */
function change(tree: Tree, round: number): void {
  let i = round
  for (const kind of Object.keys(KINDS)) {
    for (let number = 0; number < 8; number++, i++) {
      const path = `${kind}s/${number}`
      if (IS_ROOT) lchownSync(tree.at(path), OWNERS[i % OWNERS.length]!, OWNERS[(i + 3) % OWNERS.length]!)
      // Behind the owner: a change of owner takes setuid and setgid away.
      if (kind !== 'symlink') tree.chmod(path, usableMode(MODES[i % MODES.length]!))
      tree.touch(path, `@${TIMES[i % TIMES.length]}`)
    }
  }
}

const kinds = ({ files }: BackupReport) => files.map(({ kind }) => kind)

test('owners, modes and times of files, directories and links come back, of each date', TOOLS, async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const tree = new Tree(chain.source, 1)
  for (const [kind, make] of Object.entries(KINDS)) {
    tree.directory(`${kind}s`)
    for (let number = 0; number < 8; number++) make(tree, `${kind}s/${number}`)
  }
  change(tree, 0)
  await chain.full()
  for (const round of [1, 2, 3]) {
    change(tree, round)
    const report = await chain.incremental()
    assert.deepEqual([report.totals.touched, report.totals.created + report.totals.updated], [24, 0])
    assert.deepEqual(kinds(report), ['state'])
  }
  for (const { date } of chain.reports) {
    const restored = await chain.assertRestores(date, { keep: true })
    assertTarCompares(restored, chain.copy(date))
    await assertState(chain, date)
  }
  // (bsdtar gives links in directories that it may not enter no owner.)
  if (IS_ROOT) assertTarsExtract(chain.artifact('full', chain.reports[0]!.date), chain.base)
})

/** What the state says of each entry is what lstat says of the copy. */
async function assertState(chain: NaiveChain, at: string): Promise<void> {
  for await (const { path, mode, uid, gid, mtimeNs, type } of listEntries('key', {
    store: chain.storePath,
    cache: false,
    at
  })) {
    const stat = lstatSync(join(chain.copy(at), path), { bigint: true })
    const found = [Number(stat.mode & 0o7777n), Number(stat.uid), Number(stat.gid), stat.mtimeNs]
    assert.deepEqual([type === 'symlink' ? found[0] : mode, uid, gid, mtimeNs], found, path)
  }
}

test('a time beyond 64 bits of nanoseconds is taken for the nearest', TOOLS, async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const tree = new Tree(chain.source, 1)
  tree.file('late')
  tree.touch('late', '@15032385535')
  if (lstatSync(join(chain.source, 'late')).mtimeMs < 1.5e13) return t.skip('the file system has no times so late')
  await chain.full()
  await chain.restore('out')
  assert.equal(lstatSync(join(chain.base, 'out/late'), { bigint: true }).mtimeNs / 1_000_000_000n, 9_223_372_036n)
})

test('the time of a directory is its own, whatever is made or removed in it', TOOLS, async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const tree = new Tree(chain.source, 1)
  tree.directory('a/b/c')
  const setTimes = () => {
    for (const [i, path] of ['a/b/c', 'a/b', 'a', '.'].entries())
      tree.touch(path, `@${1_000_000 * (i + 1)}.00000000${i}`)
  }
  setTimes()
  await chain.full()
  const edits = [
    () => tree.file('a/b/c/new'),
    () => tree.symlink('a/b/link', 'c'),
    () => tree.directory('a/empty'),
    () => tree.remove('a/b/c/new'),
    () => tree.remove('a/b')
  ]
  for (const edit of edits) {
    edit()
    if (edit !== edits.at(-1)) setTimes()
    const report = await chain.incremental()
    assert.ok(report.totals.touched <= 2)
  }
  for (const { date } of chain.reports) await chain.assertRestores(date)
})

/** A group of four links and what happens to it; each leaves a tree that the next one begins with. */
const LINK_EDITS: Readonly<Record<string, (at: (name: string) => string) => void>> = {
  'a member gets a content of its own': at => {
    rmSync(at('b'))
    writeFileSync(at('b'), createRandom(50).bytes(30_000))
  },
  'the content of the group changes': at => writeFileSync(at('d/c'), createRandom(51).bytes(30_001)),
  'the first member goes': at => rmSync(at('a')),
  'a new first member comes': at => linkSync(at('d/c'), at('0')),
  'a member in another directory comes': at => {
    mkdirSync(at('new'))
    linkSync(at('0'), at('new/x'))
  },
  'members change places with what is no member': at => {
    renameSync(at('0'), at('tmp'))
    renameSync(at('b'), at('0'))
    renameSync(at('tmp'), at('b'))
  },
  'a member becomes a link of another group': at => {
    rmSync(at('new/x'))
    linkSync(at('single'), at('new/x'))
  },
  'two groups become one': at => {
    for (const name of ['new/x', 'single']) {
      rmSync(at(name))
      linkSync(at('z'), at(name))
    }
  },
  'all members but one go': at => {
    for (const name of ['b', 'd/c', 'new/x', 'single']) rmSync(at(name))
  },
  'the last one changes alone': at => writeFileSync(at('z'), 'alone')
}

test('groups of hard links come back as they were at each date', TOOLS, async t => {
  for (const sizeBytes of [100, 40_000]) {
    const chain = new NaiveChain(temporaryDirectory(t))
    const at = (name: string) => join(chain.source, name)
    mkdirSync(at('d'))
    writeFileSync(at('a'), createRandom(49).bytes(sizeBytes))
    for (const name of ['b', 'd/c', 'z']) linkSync(at('a'), at(name))
    writeFileSync(at('single'), 'single')
    await chain.full()
    for (const [title, edit] of Object.entries(LINK_EDITS)) {
      edit(at)
      const { date } = await chain.incremental()
      const restored = await chain.assertRestores(date, { keep: true })
      assertTarCompares(restored, chain.copy(date))
      rmSync(restored, { recursive: true })
      assert.deepEqual(await splitGroups(chain), [], title)
    }
    for (const { date } of chain.reports) await chain.assertRestores(date)
    for (const kind of ['full', 'created']) {
      for (const name of chain.stored(kind)) assertTarsExtract(join(chain.storePath, name), chain.base)
    }
  }
})

/** Members of one group that do not have one content. */
async function splitGroups(chain: NaiveChain): Promise<StateEntry[]> {
  const entries = await collect(listEntries('key', { store: chain.storePath, cache: false }))
  const groups = new Map<number, string | undefined>()
  return entries.filter(({ link, sha256 }) => {
    if (link === undefined) return false
    if (!groups.has(link)) groups.set(link, sha256)
    return groups.get(link) !== sha256
  })
}
