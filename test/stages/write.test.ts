import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PART_BYTES } from '../../src/constants.js'
import { BackupError } from '../../src/errors.js'
import { pipe } from '../../src/interop/pipe.js'
import { walk } from '../../src/stages/walk.js'
import { write } from '../../src/stages/write.js'
import type { Entry } from '../../src/types.js'
import { bytesOf, code, collect, directory, entry, file, parkedContent } from '../helpers/entries.js'
import { sinkContract } from '../helpers/source-contract.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const asRoot = process.geteuid?.() === 0 ? {} : { skip: 'needs root' }
/** Owners are of this process, so that it need not be root. */
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
const symlink = (path: string, linkname: string) => entry(path, { ...own, type: 'symlink', mode: 0o777, linkname })

const made: string[] = []
process.on('exit', () => {
  for (const path of made) rmSync(path, { recursive: true, force: true })
})
let count = 0
sinkContract(
  'write',
  () => {
    const path = join('/tmp', `ibt-write-${process.pid}-${count++}`)
    made.push(path)
    return write(path)
  },
  () => [directory('.', own), directory('d', own), file('d/f', 'body', own), { unknown: 1 }]
)

test('a tree comes out as it went in', async t => {
  const from = join(temporaryDirectory(t), 'from')
  const to = join(temporaryDirectory(t), 'to')
  const tree = [
    directory('.', { mode: 0o750, mtimeNs: 1_000_000_000_000_000_001n }),
    directory('d', { mode: 0o700, mtimeNs: -5_000_000_000n }),
    directory('d/e', { mode: 0o555 }),
    file('d/e/deep', 'deep', { mode: 0o600 }),
    file('d/\udcff', 'odd name'),
    directory('empty'),
    file('large', randomBytes(PART_BYTES + 5, 1), { mtimeNs: 1_700_000_000_123_456_789n }),
    file('setuid', 'x', { mode: 0o4751 }),
    symlink('symlink', 'no\udcfesuch'),
    file('zero', '')
  ].map(item => ({ ...item, ...own }))
  const written = await pipe(tree, write(from))
  const { entries, files, sizeBytes, spared, unprivileged, ...counts } = written
  assert.deepEqual([entries, files, sizeBytes, spared, unprivileged], [10, 5, PART_BYTES + 5 + 13, [], []])
  for (const [name, count] of Object.entries(counts)) assert.equal(count, 0, name)
  await pipe(walk(from), write(to))
  for (const root of [from, to]) {
    const found = await collect(walk(root))
    assert.deepEqual(
      found.map(({ path, type, mode, uid, gid, mtimeNs, linkname }) => ({
        path,
        type,
        mode,
        uid,
        gid,
        mtimeNs,
        linkname
      })),
      tree.map(({ path, type, mode, uid, gid, mtimeNs, linkname }) => ({
        path,
        type,
        mode,
        uid,
        gid,
        mtimeNs,
        linkname
      }))
    )
    for (const [i, item] of tree.entries()) {
      if (item.content === undefined) continue
      assert.ok((await bytesOf(found[i]!.content!.open())).equals(await bytesOf(item.content.open())), item.path)
    }
  }
})

test('many entries in many directories keep the times of their directories', async t => {
  const to = join(temporaryDirectory(t), 'to')
  const tree: Entry[] = [directory('.', { ...own, mtimeNs: 1n })]
  for (let i = 0; i < 30; i++) {
    const name = `d${String(i).padStart(2, '0')}`
    tree.push(directory(name, { ...own, mtimeNs: BigInt(i) * 1_000_000_000n }))
    for (let j = 0; j < 30; j++) tree.push(file(`${name}/f${String(j).padStart(2, '0')}`, `${i} ${j}`, own))
  }
  await pipe(tree, write(to))
  const found = await collect(walk(to))
  assert.deepEqual(
    found.map(({ path, mtimeNs }) => [path, mtimeNs]),
    tree.map(({ path, mtimeNs }) => [path, mtimeNs])
  )
})

test('further members of a hard-link group become links; their contents stay closed', async t => {
  const to = temporaryDirectory(t)
  const closed = { open: () => assert.fail('opened') }
  const tree = [
    directory('.'),
    directory('d'),
    file('d/first', 'shared', { link: 3 }),
    file('second', '', { link: 3, sizeBytes: 6, content: closed }),
    file('single', 'other', { link: 4 })
  ].map(item => ({ ...item, ...own }))
  await pipe(tree, write(to))
  const inode = (path: string) => statSync(join(to, path)).ino
  assert.equal(inode('second'), inode('d/first'))
  assert.notEqual(inode('single'), inode('second'))
  assert.equal(readFileSync(join(to, 'second'), 'utf8'), 'shared')
})

for (const path of ['../x', '/x', 'd/../../x', 'nowhere/x', 'd/e/x', '', 'd//x', '..', 'd/..', 'd/.', 'a\0b']) {
  test(`an entry at ${JSON.stringify(path)} is refused, and nothing is written outside`, async t => {
    const outer = temporaryDirectory(t)
    const to = join(outer, 'to')
    const mode = statSync(outer).mode
    for (const evil of [file(path, 'evil', own), directory(path, { ...own, mode: 0o777 }), symlink(path, 'evil')]) {
      rmSync(to, { recursive: true, force: true })
      const tree = [directory('.', own), directory('d', own), evil]
      await assert.rejects(pipe(tree, write(to)), code('IBT_UNSAFE_PATH'))
    }
    assert.equal(statSync(outer).mode, mode)
    assert.deepEqual(readdirSync(outer), ['to'])
    assert.ok(!existsSync('/x'))
  })
}

test('nothing is written through a symlink of the backup itself', async t => {
  const outside = temporaryDirectory(t)
  const to = join(temporaryDirectory(t), 'to')
  for (const evil of [file('link/x', 'evil', own), directory('link/x', own), symlink('link/x', 'y')]) {
    rmSync(to, { recursive: true, force: true })
    const tree = [directory('.', own), symlink('link', outside), evil]
    await assert.rejects(pipe(tree, write(to)), code('IBT_UNSAFE_PATH'))
  }
  rmSync(to, { recursive: true, force: true })
  const errors: BackupError[] = []
  const twice = [
    directory('.', own),
    symlink('link', outside),
    directory('link', { ...own, mode: 0 }),
    file('link/x', '', own)
  ]
  await pipe(twice, write(to, { onError: error => errors.push(error) })).catch(() => {})
  assert.deepEqual(readdirSync(outside), [])
})

test('nothing is written through a symlink that takes the place of a directory meanwhile', async t => {
  const outside = temporaryDirectory(t)
  const to = join(temporaryDirectory(t), 'to')
  function* tree() {
    yield directory('.', own)
    yield directory('d', own)
    // A large file is not started before all that came before it is on disk.
    yield file('d/a', Buffer.alloc(PART_BYTES + 1), own)
    yield file('d/b', Buffer.alloc(PART_BYTES + 1), own)
    rmSync(join(to, 'd'), { recursive: true })
    symlinkSync(outside, join(to, 'd'))
    yield file('d/c', 'evil', own)
    yield file('d/d', Buffer.alloc(PART_BYTES + 1), own)
  }
  await pipe(tree(), write(to)).catch(() => {})
  assert.deepEqual(readdirSync(outside), [])
})

test('symlinks are made as they are, dangling or absolute, and not followed', async t => {
  const outside = temporaryDirectory(t)
  writeFileSync(join(outside, 'file'), 'outside')
  const to = join(temporaryDirectory(t), 'to')
  await pipe([directory('.', own), symlink('absolute', join(outside, 'file')), symlink('dangling', '../..')], write(to))
  assert.equal(readlinkSync(join(to, 'absolute')), join(outside, 'file'))
  assert.equal(readlinkSync(join(to, 'dangling')), '../..')
  assert.notEqual(statSync(join(outside, 'file')).mtimeMs, Number(entry('x').mtimeNs / 1_000_000n))
})

test('a destination that is not empty, or no directory, is refused and left alone', async t => {
  const to = temporaryDirectory(t)
  writeFileSync(join(to, 'file'), 'mine')
  await assert.rejects(pipe([directory('.')], write(to)), code('IBT_NOT_EMPTY'))
  await assert.rejects(pipe([directory('.')], write(join(to, 'file'))), code('IBT_WRITE_FAILED'))
  assert.deepEqual(readdirSync(to), ['file'])
  assert.equal(readFileSync(join(to, 'file'), 'utf8'), 'mine')
})

test('a destination that is not there yet is made, nothing before the run starts', async t => {
  const to = join(temporaryDirectory(t), 'a/b')
  const sink = write(to)
  assert.ok(!existsSync(to))
  await pipe([directory('.', own), file('f', 'x', own)], sink)
  assert.deepEqual(readdirSync(to), ['f'])
})

test('what cannot be restored is counted and told, and a socket is passed over', async t => {
  const errors: string[] = []
  const tree = [
    directory('.', own),
    entry('lost', { type: 'unreadable' }),
    entry('s', { type: 'socket' }),
    file('z', 'z', own)
  ]
  const written = await pipe(tree, write(temporaryDirectory(t), { onError: ({ code }) => errors.push(code) }))
  assert.deepEqual(errors, ['IBT_READ_FAILED'])
  assert.deepEqual([written.skippedEntries, written.entries, written.files], [1, 2, 1])
  const stop = new Error('stop')
  const refuse = () => {
    throw stop
  }
  mkdirSync(join(temporaryDirectory(t), 'x'))
  const again = pipe(tree, write(temporaryDirectory(t), { onError: refuse }))
  await assert.rejects(again, thrown => thrown === stop)
})

for (const size of [10, PART_BYTES + 1]) {
  test(`a content of ${size} bytes that turns out to be wrong never has its name`, async t => {
    const to = temporaryDirectory(t)
    const error = new BackupError('IBT_HASH_MISMATCH', 'wrong')
    async function* wrong() {
      yield Buffer.alloc(size)
      throw error
    }
    const tree = [directory('.', own), entry('f', { ...own, sizeBytes: size, content: { open: wrong } })]
    await assert.rejects(pipe(tree, write(to)), thrown => thrown === error)
    assert.deepEqual(readdirSync(to), [])
  })
}

test('owners are those of the backup by number, if asked for', asRoot, async t => {
  const to = temporaryDirectory(t)
  const tree = [directory('.'), file('f', 'x', { uid: 12_345, gid: 54_321, uname: 'root', mode: 0o6755 })]
  await pipe(tree, write(to, { owners: 'number' }))
  const { uid, gid, mode } = statSync(join(to, 'f'))
  assert.deepEqual([uid, gid, mode & 0o7777], [12_345, 54_321, 0o6755])
})

test('owners are those of the backup by name, where the name is known here', asRoot, async t => {
  const to = temporaryDirectory(t)
  const tree = [directory('.'), file('f', 'x', { uid: 5, gid: 6, uname: 'root', gname: 'no such group' })]
  await pipe(tree, write(to))
  const { uid, gid } = statSync(join(to, 'f'))
  assert.deepEqual([uid, gid], [0, 6])
})

test('an abort in the middle of a large file leaves no temporary name', async t => {
  const to = temporaryDirectory(t)
  const controller = new AbortController()
  const reason = new Error('enough')
  async function* slow() {
    for (let i = 0; i < 9; i++) {
      yield Buffer.alloc(1 << 20)
      if (i === 3) controller.abort(reason)
    }
  }
  const tree = [
    directory('.', own),
    entry('f', { ...own, sizeBytes: 9 << 20, content: { open: slow } }),
    file('g', 'g', own)
  ]
  await assert.rejects(pipe(tree, write(to), { signal: controller.signal }), thrown => thrown === reason)
  assert.deepEqual(
    readdirSync(to).filter(name => name !== 'f'),
    []
  )
})

test('an abort is noticed while a content is parked', { timeout: 300_000 }, async t => {
  for (const size of [20, PART_BYTES * 2]) {
    const controller = new AbortController()
    const reason = new Error('enough')
    const content = parkedContent(size / 2 + 1, () => controller.abort(reason))
    const parked = entry('f', { sizeBytes: size, content })
    const run = pipe([directory('.', own), parked], write(temporaryDirectory(t)), { signal: controller.signal })
    await assert.rejects(run, error => error === reason)
  }
})

test('a content that is longer than it says is not held without end', async t => {
  let taken = 0
  async function* endless() {
    for (;;) yield Buffer.alloc(1 << 20, ++taken)
  }
  const liar = { ...file('liar', 'x', own), content: { open: endless } }
  const target = join(temporaryDirectory(t), 'out')
  await assert.rejects(pipe([directory('.', own), liar], write(target)), code('IBT_FILE_CHANGED'))
  assert.ok(taken <= PART_BYTES / (1 << 20) + 2, `${taken} MiB`)
})

for (const wrong of [{ uid: 2 ** 32 }, { gid: -1 }, { mode: 0o10644 }, { mtimeNs: 2n ** 63n }, { sizeBytes: 0.5 }]) {
  const [name] = Object.keys(wrong)
  test(`an impossible ${name} is refused and not taken for another`, async t => {
    const to = join(temporaryDirectory(t), 'to')
    const tree = [directory('.', own), file('f', 'x', { ...own, ...wrong })]
    await assert.rejects(pipe(tree, write(to)), code('IBT_STATE_INVALID'))
    assert.deepEqual(readdirSync(to), [])
  })
}
