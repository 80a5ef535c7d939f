import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { PART_BYTES } from '../../src/constants.js'
import { pipe } from '../../src/interop/pipe.js'
import { walk } from '../../src/stages/walk.js'
import { type WriteOptions, type Written, write } from '../../src/stages/write.js'
import type { Entry } from '../../src/types.js'
import { code, directory, entry, file } from '../helpers/entries.js'
import { assertSameAttributes, run } from '../helpers/judges.js'
import { oracle, reachedByNobody } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
const WHEN = ['always', 'if-changed'] as const

/** Inode and time of change of all that is in a tree: whatever is written to, one of them differs. */
function inodes(root: string): string {
  return run('find', [root, '-printf', '%P %i %C@ %n\\n']).toString('latin1')
}

/** The entries of a tree as a restore has them: with digests. Of `closed` ones the contents must not be opened. */
async function* entriesOf(root: string, closed: (path: string) => boolean = () => false): AsyncGenerator<Entry> {
  for await (const item of walk(root)) {
    if (item.type !== 'file') yield item
    else {
      const bytes = readFileSync(join(root, item.path))
      const open = () => (closed(item.path) ? assert.fail(`${item.path} is opened`) : [bytes])
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      yield { ...item, sha256, content: { open } } as Entry
    }
  }
}

/** Restores a tree over another; a second time writes nothing and opens nothing. */
async function restoreOver(wanted: string, to: string, options: WriteOptions): Promise<Written> {
  const written = await pipe(entriesOf(wanted), write(to, options))
  assert.equal(written.skippedEntries, 0)
  const before = inodes(to)
  const again = await pipe(
    entriesOf(wanted, () => true),
    write(to, options)
  )
  assert.equal(inodes(to), before)
  assert.deepEqual(again, { ...written, unchangedEntries: again.entries, deletedEntries: 0, sizeBytes: 0 })
  return written
}

const KINDS: Readonly<Record<string, (path: string, outside: string) => void>> = {
  nothing: () => {},
  file: path => writeFileSync(path, path),
  large: path => writeFileSync(path, randomBytes(PART_BYTES + path.length, 1)),
  'empty directory': path => mkdirSync(path),
  'full directory': path => {
    mkdirSync(join(path, 'a/b'), { recursive: true })
    writeFileSync(join(path, 'a/b/file'), 'deep')
    symlinkSync('nowhere', join(path, 'a/link'))
    chmodSync(join(path, 'a'), 0o555)
  },
  'symlink to a directory outside': (path, outside) => symlinkSync(outside, path),
  'symlink to a file outside': (path, outside) => symlinkSync(join(outside, 'file'), path),
  'hard link': path => {
    writeFileSync(`${path} partner`, 'shared')
    linkSync(`${path} partner`, path)
  },
  fifo: path => void run('mkfifo', [path])
}

/** Every kind in the place of every other, in one tree each for what is there and what is to be. */
function makePairs(t: TestContext, outside: string, isLarge = false): { from: string; wanted: string } {
  const base = temporaryDirectory(t)
  const [from, wanted] = [join(base, 'from'), join(base, 'wanted')]
  for (const path of [from, wanted]) mkdirSync(path)
  const kinds = Object.keys(KINDS).filter(kind => isLarge || kind !== 'large')
  for (const old of kinds) {
    for (const kind of kinds) {
      KINDS[old]!(join(from, `${old} to ${kind}`), outside)
      KINDS[kind]!(join(wanted, `${old} to ${kind}`), outside)
    }
  }
  return { from, wanted }
}

for (const overwrite of WHEN) {
  test(`every type takes the place of every other: ${overwrite}`, oracle('rsync'), async t => {
    const outside = temporaryDirectory(t)
    writeFileSync(join(outside, 'file'), 'outside')
    mkdirSync(join(outside, 'a/b'), { recursive: true })
    const before = inodes(outside)
    const { from, wanted } = makePairs(t, outside, true)
    await restoreOver(wanted, from, { overwrite, delete: true })
    assertSameAttributes(from, wanted)
    assert.equal(inodes(outside), before)
    assert.equal(readFileSync(join(outside, 'file'), 'utf8'), 'outside')
  })

  test(`what is not root's own directory is opened for the time of a restore: ${overwrite}`, {
    ...oracle('rsync'),
    ...reachedByNobody()
  }, async t => {
    const base = temporaryDirectory(t)
    const [from, wanted] = [join(base, 'from'), join(base, 'wanted')]
    for (const root of [from, wanted]) {
      mkdirSync(join(root, 'd/e'), { recursive: true })
      writeFileSync(join(root, 'd/e/file'), root === from ? 'old' : 'new content')
      writeFileSync(join(root, 'd/e/same'), 'same')
      utimesSync(join(root, 'd/e/same'), 1, 1)
      if (root === from) writeFileSync(join(root, 'd/e/gone'), '')
      chmodSync(join(root, 'd/e'), root === from ? 0o111 : 0o555)
      chmodSync(join(root, 'd'), 0o555)
    }
    run('chown', ['-R', '65534:65534', base])
    chmodSync(base, 0o755)
    const entries = JSON.stringify(join(wanted))
    const script = `
      process.setgroups([65534]); process.setgid(65534); process.setuid(65534)
      const at = path => new URL(path, ${JSON.stringify(import.meta.url)}).href
      const { walk } = await import(at('../../src/stages/walk.js'))
      const { write } = await import(at('../../src/stages/write.js'))
      const options = { overwrite: '${overwrite}', delete: true, onError: error => console.error(error) }
      await write(${JSON.stringify(from)}, options)(walk(${entries}))`
    run(process.execPath, ['--input-type=module', '-e', script])
    assertSameAttributes(from, wanted)
  })
}

/** Two directories, filled, of one base. */
function twoTrees(
  t: TestContext,
  fill: (root: string, which: 'to' | 'wanted') => void
): { to: string; wanted: string } {
  const base = temporaryDirectory(t)
  const trees = { to: join(base, 'to'), wanted: join(base, 'wanted') }
  for (const which of ['to', 'wanted'] as const) {
    mkdirSync(trees[which])
    fill(trees[which], which)
  }
  return trees
}

test('what differs only in its time is compared by its digest, and not opened', async t => {
  const { to, wanted } = twoTrees(t, (root, which) => {
    writeFileSync(join(root, 'file'), 'same')
    utimesSync(join(root, 'file'), 1, which === 'to' ? 2 : 1)
  })
  const { ino } = lstatSync(join(to, 'file'))
  const { sizeBytes } = await pipe(
    entriesOf(wanted, () => true),
    write(to, { overwrite: 'if-changed' })
  )
  assert.equal(sizeBytes, 0)
  const found = lstatSync(join(to, 'file'))
  assert.deepEqual([found.ino, found.mtimeMs], [ino, 1000])
})

test('a change that the time does not show is found by always, and if the backup does not trust the time', async t => {
  const { to, wanted } = twoTrees(t, (root, which) => {
    for (const name of ['racy', 'sure']) {
      writeFileSync(join(root, name), which)
      writeFileSync(join(root, name), which.padEnd(6))
      utimesSync(join(root, name), 1, 1)
    }
  })
  const read = (name: string) => readFileSync(join(to, name), 'utf8').trim()
  async function* racy(): AsyncGenerator<Entry> {
    for await (const item of entriesOf(wanted)) yield { ...item, racy: item.path === 'racy' || undefined } as Entry
  }
  await pipe(racy(), write(to, { overwrite: 'if-changed' }))
  assert.deepEqual([read('racy'), read('sure')], ['wanted', 'to'])
  await restoreOver(wanted, to, { overwrite: 'always' })
  assert.equal(read('sure'), 'wanted')
})

test('who reads the old file goes on reading it, and its other names keep it', async t => {
  for (const size of [10, PART_BYTES + 10]) {
    const outside = join(temporaryDirectory(t), 'outside')
    const { to, wanted } = twoTrees(t, (root, which) => {
      writeFileSync(join(root, 'file'), Buffer.alloc(size, which))
      if (which === 'to') linkSync(join(root, 'file'), outside)
    })
    const before = lstatSync(outside, { bigint: true })
    const fd = openSync(join(to, 'file'), 'r')
    await restoreOver(wanted, to, { overwrite: 'if-changed' })
    const bytes = Buffer.alloc(size + 1)
    assert.equal(readSync(fd, bytes, 0, size + 1, 0), size)
    closeSync(fd)
    for (const old of [bytes.subarray(0, size), readFileSync(outside)]) assert.ok(old.equals(Buffer.alloc(size, 'to')))
    assert.equal(lstatSync(outside, { bigint: true }).mtimeNs, before.mtimeNs)
    assert.ok(readFileSync(join(to, 'file')).equals(Buffer.alloc(size, 'wanted')))
    assert.deepEqual(readdirSync(to), ['file'])
  }
})

/** Which names share an inode: rsync does not see links that are too many. */
function groupsOf(root: string): string[] {
  const groups = new Map<string, string[]>()
  for (const line of run('find', [root, '-type', 'f', '-printf', '%i %P\\n']).toString().split('\n').sort()) {
    const [inode, name] = line.split(' ')
    if (name !== undefined) groups.set(inode!, [...(groups.get(inode!) ?? []), name])
  }
  return Array.from(groups.values(), names => names.sort().join(' ')).sort()
}

test('hard-link groups become those of the backup', oracle('rsync'), async t => {
  const groups = {
    to: [['a', 'b', 'c'], ['d', 'e'], ['f'], ['g'], ['h', 'i', 'sub/j'], ['k', 'l', 'm', 'n']],
    wanted: [['a', 'b'], ['c', 'd'], ['e'], ['f', 'g'], ['h', 'i', 'sub/j'], ['k', 'm'], ['l', 'n']]
  }
  for (const content of ['same', 'other']) {
    const { to, wanted } = twoTrees(t, (root, which) => {
      mkdirSync(join(root, 'sub'))
      for (const [first, ...others] of groups[which]) {
        writeFileSync(join(root, first!), content === 'same' ? 'same' : `${which} ${first}`)
        utimesSync(join(root, first!), 1, 1)
        for (const other of others) linkSync(join(root, first!), join(root, other))
      }
    })
    await restoreOver(wanted, to, { overwrite: 'if-changed', delete: true })
    assertSameAttributes(to, wanted)
    assert.deepEqual(groupsOf(to), groupsOf(wanted))
  }
})

test('symlinks and fifos have hard links, too', oracle('rsync'), async t => {
  const { to, wanted } = twoTrees(t, (root, which) => {
    mkdirSync(join(root, 'd/sub'), { recursive: true })
    run('mkfifo', [join(root, 'd/fifo')])
    symlinkSync('nowhere', join(root, 'd/a link'))
    const links = { 'd/fifo': 'fifo too', 'd/a link': 'd/sub/link too' }
    if (which === 'wanted')
      for (const [from, path] of Object.entries(links)) linkSync(join(root, from), join(root, path))
  })
  await restoreOver(wanted, to, { overwrite: 'if-changed' })
  assertSameAttributes(to, wanted)
  const empty = join(temporaryDirectory(t), 'empty')
  await pipe(entriesOf(wanted), write(empty))
  assertSameAttributes(empty, wanted)
})

test('never leaves what is there as it is, and adds what is not', async t => {
  const { to, wanted } = twoTrees(t, (root, which) => {
    writeFileSync(join(root, 'file'), which)
    writeFileSync(join(root, 'second'), `${which} group`)
    mkdirSync(join(root, 'd'))
    if (which === 'to') {
      symlinkSync('elsewhere', join(root, 'link'))
      writeFileSync(join(root, 'in the way'), '')
      chmodSync(join(root, 'd'), 0o700)
    } else {
      linkSync(join(root, 'second'), join(root, 'third'))
      mkdirSync(join(root, 'in the way'))
      writeFileSync(join(root, 'in the way/x'), '')
      symlinkSync('wanted', join(root, 'link'))
      writeFileSync(join(root, 'd/new'), 'new')
    }
  })
  const times = lstatSync(join(to, 'd'), { bigint: true })
  const errors: string[] = []
  await pipe(entriesOf(wanted), write(to, { overwrite: 'never', onError: ({ path }) => errors.push(path!) }))
  assert.deepEqual(errors, ['in the way', 'in the way/x'])
  assert.equal(readFileSync(join(to, 'file'), 'utf8'), 'to')
  assert.equal(readFileSync(join(to, 'second'), 'utf8'), 'to group')
  assert.equal(readFileSync(join(to, 'third'), 'utf8'), 'wanted group')
  assert.equal(readFileSync(join(to, 'd/new'), 'utf8'), 'new')
  const { mode, mtimeNs } = lstatSync(join(to, 'd'), { bigint: true })
  assert.deepEqual([mode, mtimeNs], [times.mode, times.mtimeNs])
})

test('without overwrite nothing is written over, and the message names the option', async t => {
  const to = temporaryDirectory(t)
  writeFileSync(join(to, 'file'), 'mine')
  await assert.rejects(
    pipe([directory('.', own)], write(to)),
    error => code('IBT_NOT_EMPTY')(error) && /overwrite/.test(String(error))
  )
  assert.throws(() => write(to, { delete: true }), TypeError)
  assert.throws(() => write(to, { overwrite: 'sometimes' as 'never' }), TypeError)
})

test('only what may be deleted is: nothing without the option, nor what could not be restored or looked at', async t => {
  const to = temporaryDirectory(t)
  mkdirSync(join(to, 'carried'))
  mkdirSync(join(to, 'kept/deep'), { recursive: true })
  const names = ['carried/x', 'extra', 'kept/x', 'lost', 'socket', 'zzz']
  for (const name of names) writeFileSync(join(to, name), name)
  const leftBehind = join(to, 'carried/.ibt-partial-0123abcd.tmp')
  writeFileSync(leftBehind, 'of a run that was cut off')
  const tree = [
    directory('.', own),
    { ...directory('carried', own), carried: true },
    entry('lost', { ...own, type: 'unreadable' }),
    entry('socket', { ...own, type: 'socket' })
  ]
  const there = () => names.filter(name => existsSync(join(to, name)))
  await pipe(tree, write(to, { overwrite: 'always' }))
  assert.deepEqual(there(), names)
  assert.equal(existsSync(leftBehind), false)
  const asked: string[] = []
  const select = (path: string) => asked.push(path) > 0 && path !== 'kept'
  const { deletedEntries, skippedEntries } = await pipe(tree, write(to, { overwrite: 'always', delete: select }))
  assert.deepEqual(asked, ['extra', 'kept', 'zzz'])
  assert.deepEqual(there(), ['carried/x', 'kept/x', 'lost', 'socket'])
  assert.deepEqual([deletedEntries, skippedEntries], [2, 1])
})

test('an entry that fails is told, and the others are restored', oracle('chattr', 'rsync'), async t => {
  const { to, wanted } = twoTrees(t, (root, which) => {
    for (const name of ['d/first', 'd/z', 'e']) {
      mkdirSync(join(root, 'd'), { recursive: true })
      writeFileSync(join(root, name), `${which} ${name}`)
    }
    if (which === 'wanted') linkSync(join(root, 'd/first'), join(root, 'later'))
    else writeFileSync(join(root, 'later'), 'later')
  })
  try {
    run('chattr', ['+i', join(to, 'd/first')])
  } catch {
    return t.skip('this user may not make a file immutable here')
  }
  const errors: (string | undefined)[] = []
  const onError = ({ path }: { path: string | undefined }) => errors.push(path)
  try {
    await pipe(entriesOf(wanted), write(to, { overwrite: 'always', onError }))
  } finally {
    run('chattr', ['-i', join(to, 'd/first')])
  }
  assert.deepEqual(errors, ['d/first'])
  assert.equal(readFileSync(join(to, 'd/first'), 'utf8'), 'to d/first')
  assert.equal(readFileSync(join(to, 'd/z'), 'utf8'), 'wanted d/z')
  // Not linked to what has the first member's name.
  assert.equal(readFileSync(join(to, 'later'), 'utf8'), 'wanted d/first')
  assert.deepEqual(readdirSync(join(to, 'd')), ['first', 'z'])
})

test('a large file whose name is taken meanwhile leaves no temporary name', async t => {
  const to = temporaryDirectory(t)
  function* tree(): Generator<Entry> {
    yield directory('.', own)
    yield file('f', Buffer.alloc(PART_BYTES + 1), own)
  }
  const slow = {
    *open() {
      yield Buffer.alloc(PART_BYTES)
      mkdirSync(join(to, 'f/full'), { recursive: true })
      yield Buffer.alloc(1)
    }
  }
  const errors: string[] = []
  const entries = [...tree()].map(item => (item.path === 'f' ? { ...item, content: slow } : item))
  const { skippedEntries } = await pipe(entries, write(to, { onError: ({ path }) => errors.push(path!) }))
  assert.deepEqual([errors, skippedEntries], [['f'], 1])
  assert.deepEqual(readdirSync(to), ['f'])
})
