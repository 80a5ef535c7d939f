import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBackupError } from '../../src/errors.js'
import { FileType, listDirectory, Operation, openFile, readFiles } from '../../src/native.js'
import { decodePath } from '../../src/path.js'
import { runWithFaults } from '../helpers/faults.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, run, split, temporaryDirectory } from './tree.js'

const list = (root: string, path: string | Buffer = '.', capture: string[] = [], captureMaxBytes = 1000) =>
  listDirectory(Buffer.from(root), typeof path === 'string' ? path : decodePath(path), {
    capture: capture.map(name => Buffer.from(name)),
    captureMaxBytes
  })

test('a directory is listed in bytewise order, names as they are', async t => {
  const root = temporaryDirectory(t)
  const names = [
    Buffer.from('new\nline'),
    Buffer.from([0xff, 0xfe, 0x41]),
    Buffer.from('é'),
    Buffer.from('\u{1f600}'),
    Buffer.from('\uff5e'),
    Buffer.from('a'.repeat(255)),
    Buffer.from('A'),
    Buffer.from('a.b'),
    Buffer.from('a'),
    Buffer.from('-rf'),
    Buffer.from(' ')
  ]
  for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), name)
  const listing = await list(root)
  assert.equal(listing.count, names.length)
  assert.deepEqual(
    split(listing.names),
    names.sort(Buffer.compare).map(name => name.toString('latin1'))
  )
})

test('metadata are those of lstat', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), 'body')
  chmodSync(join(root, 'file'), 0o4751)
  utimesSync(join(root, 'file'), 1, -1.5)
  mkdirSync(join(root, 'directory'))
  symlinkSync('nowhere/at all', join(root, 'symlink'))
  const server = createServer().listen(join(root, 'socket'))
  t.after(() => server.close())
  await new Promise(resolve => server.once('listening', resolve))
  const listing = await list(root)
  const names = split(listing.names)
  for (const [i, name] of names.entries()) {
    const stat = lstatSync(join(root, name), { bigint: true })
    assert.equal(listing.modes[i], Number(stat.mode & 0o7777n))
    assert.equal(listing.uids[i], Number(stat.uid))
    assert.equal(listing.gids[i], Number(stat.gid))
    assert.equal(listing.nlinks[i], Number(stat.nlink))
    assert.equal(listing.sizes[i], Number(stat.size))
    assert.equal(listing.devs[i], stat.dev)
    assert.equal(listing.inos[i], stat.ino)
    assert.equal(listing.mtimesNs[i], stat.mtimeNs)
    assert.equal(listing.ctimesNs[i], stat.ctimeNs)
    assert.equal(listing.errnos[i], 0)
  }
  const { directory, file, socket, symlink } = FileType
  assert.deepEqual([...listing.types], [directory, file, socket, symlink])
  assert.deepEqual(split(listing.linknames), ['', '', '', 'nowhere/at all'])
  assert.equal(listing.ino, lstatSync(root, { bigint: true }).ino)
  assert.equal(listing.dev, lstatSync(root, { bigint: true }).dev)
})

test('devices have their numbers', async () => {
  const listing = await list('/dev')
  const i = split(listing.names).indexOf('null')
  assert.equal(listing.types[i], FileType.characterDevice)
  assert.deepEqual([listing.devMajors[i], listing.devMinors[i]], process.platform === 'linux' ? [1, 3] : [3, 2])
})

test('an empty directory is an empty listing', async t => {
  const listing = await list(temporaryDirectory(t))
  assert.equal(listing.count, 0)
  assert.equal(listing.names.length, 0)
  assert.equal(listing.types.length, 0)
})

test('10,000 entries are listed sorted', async t => {
  const root = temporaryDirectory(t)
  for (let i = 0; i < 10_000; i++) writeFileSync(join(root, `${(i * 7919) % 10_000}`), '')
  const names = split((await list(root)).names)
  assert.deepEqual(names, readdirSync(root).sort())
})

test('captured files come up to the limit, and only regular ones', oracle('mkfifo'), async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'short'), 'abc')
  writeFileSync(join(root, 'long'), 'abcdefgh')
  writeFileSync(join(root, 'empty'), '')
  mkdirSync(join(root, 'directory'))
  symlinkSync('short', join(root, 'link'))
  spawnSync('mkfifo', [join(root, 'fifo')])
  const { captured } = await list(root, '.', ['short', 'long', 'empty', 'none', 'directory', 'link', 'fifo', '../x'], 4)
  assert.deepEqual(
    captured.map(bytes => bytes?.toString()),
    ['abc', 'abcd', '', undefined, undefined, undefined, undefined, undefined]
  )
})

test('a tree of 1,000 levels and a path of more than 4,096 bytes are listed', async t => {
  const root = temporaryDirectory(t)
  const levels = Array.from({ length: 1000 }, (_, i) => 'directory'.repeat(1 + (i % 3)))
  const paths = levels.map((_, i) => levels.slice(0, i + 1).join('/'))
  assert.ok(paths.at(-1)!.length > 4 * 4096)
  const errnos = await run(root, ...paths.map(path => ({ code: Operation.makeDirectory, path, mode: 0o755 })))
  assert.ok(errnos.every(errno => errno === 0))
  for (const depth of [1, 150, 500, 999]) {
    const listing = await list(root, paths[depth - 1])
    assert.deepEqual(split(listing.names), [levels[depth]])
  }
  assert.equal((await list(root, paths[999])).count, 0)
  assert.deepEqual(await run(root, { code: Operation.remove, path: levels[0]! }), [0])
  assert.equal((await list(root)).count, 0)
})

test('no link is followed below the root, and the root itself may be one', async t => {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'real/inner'), { recursive: true })
  symlinkSync('real', join(root, 'link'))
  symlinkSync('/', join(root, 'out'))
  symlinkSync('.', join(root, 'self'))
  for (const path of ['link', 'link/inner', 'out', 'out/etc', 'self/real/inner']) {
    await assert.rejects(list(root, path), error => {
      assert.ok(isBackupError(error))
      assert.equal(error.code, 'IBT_READ_FAILED')
      assert.equal(error.path, path)
      const cause = error.cause as NodeJS.ErrnoException
      assert.equal(cause.code, 'ELOOP')
      assert.equal(cause.errno, -constants.errno.ELOOP)
      assert.equal(cause.syscall, 'open')
      return true
    })
  }
  assert.deepEqual(split((await list(join(root, 'link'))).names), ['inner'])
})

test('a path that could lead out is refused', async t => {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'a'))
  for (const path of ['..', 'a/..', 'a/../a', './a', 'a/.', '/etc', 'a//b', 'a/', '']) {
    await assert.rejects(
      list(root, path),
      error => (error as Error & { cause: { code: string } }).cause.code === 'EINVAL'
    )
  }
  await assert.rejects(list(root, 'a\0b'), RangeError)
})

test('what is no directory or not there says so', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), '')
  const failsWith = (code: string, path: string, at = root) =>
    assert.rejects(list(at, path), error => (error as Error & { cause: { code: string } }).cause.code === code)
  await failsWith('ENOTDIR', 'file')
  await failsWith('ENOENT', 'none')
  await failsWith('ENAMETOOLONG', 'x'.repeat(256))
  await failsWith('ENAMETOOLONG', 'x'.repeat(5000))
  await failsWith('ENOENT', '.', join(root, 'none'))
})

test('extended attributes come with their entries, of any bytes', oracle('setfattr'), async t => {
  const root = temporaryDirectory(t)
  const value = Buffer.from([0, 255, 10, 61, 34, 0])
  const large = Buffer.alloc(2000, 'v')
  mkdirSync(join(root, 'directory'))
  for (const name of ['a', 'b', 'c']) writeFileSync(join(root, name), '')
  const set = (path: string, name: string, bytes: Buffer) =>
    spawnSync('setfattr', ['-n', name, '-v', `0x${bytes.toString('hex')}`, join(root, path)])
  const { stderr } = set('b', 'user.binary', value)
  if (stderr.includes('not supported')) return t.skip('the file system has no extended attributes')
  set('b', 'user.large', large)
  set('b', 'user.a=%', Buffer.from('x'))
  set('directory', 'user.d', value)
  set('.', 'user.own', value)
  const listing = await list(root)
  assert.deepEqual(split(listing.names), ['a', 'b', 'c', 'directory'])
  assert.deepEqual(
    [...listing.xattrs.get(1)!].map(([name, bytes]) => [name, Buffer.from(bytes)]),
    [
      ['user.a=%', Buffer.from('x')],
      ['user.binary', value],
      ['user.large', large]
    ]
  )
  assert.deepEqual([...listing.xattrs.get(3)!.keys()], ['user.d'])
  assert.deepEqual([...listing.ownXattrs!.keys()], ['user.own'])
  assert.equal(listing.xattrs.get(0), undefined)
})

test('what is read keeps its access time, where that is allowed', async t => {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'directory'))
  writeFileSync(join(root, 'directory/file'), 'content')
  for (const name of ['directory/file', 'directory']) utimesSync(join(root, name), 1, 2)
  const bytes = Buffer.from(root)
  await listDirectory(bytes, 'directory', { capture: [Buffer.from('file')], captureMaxBytes: 100 })
  const options = { signMinBytes: 1, blockLenMin: 0, strongLen: 16, racyMs: 0 }
  await readFiles(bytes, Buffer.from('directory/file\0'), 1, Buffer.alloc(100), options)
  const { fd } = await openFile(bytes, Buffer.from('directory/file'), 'read')
  readFileSync(fd)
  closeSync(fd)
  for (const name of ['directory/file', 'directory']) assert.equal(statSync(join(root, name)).atimeMs, 1000, name)
})

const SPARSE = `
  import { listDirectory } from ${JSON.stringify(import.meta.resolve('../../src/native.js'))}
  const { names, sparse } = await listDirectory(Buffer.from(process.argv[1]), '.')
  console.log(JSON.stringify([names.toString(), [...sparse]]))
`

test(
  'a file that takes little room is sparse only if it has holes',
  process.platform === 'linux' ? oracle('cc') : { skip: 'tests what only Linux has' },
  t => {
    const root = temporaryDirectory(t)
    for (const name of ['full#packed', 'holes', 'full']) writeFileSync(join(root, name), randomBytes(50_000, 1))
    truncateSync(join(root, 'holes'), 100_000)
    assert.deepEqual(runWithFaults(temporaryDirectory(t), SPARSE, root), ['full\0full#packed\0holes\0', [0, 0, 1]])
  }
)

test('of more attributes than fit in 4 MiB some are left out, and it says so', oracle('setfattr'), async t => {
  // Other file systems have no room for so many.
  const root = existsSync('/dev/shm') ? mkdtempSync('/dev/shm/ibt-xattrs-') : temporaryDirectory(t)
  t.after(() => rmSync(root, { recursive: true }))
  for (const name of ['a', 'b']) writeFileSync(join(root, name), name)
  const value = 'x'.repeat(60_000)
  for (let i = 0; i < 80; i++) {
    const { status } = spawnSync('setfattr', ['-n', `trusted.${i}`, '-v', value, join(root, 'a')])
    if (status !== 0) return t.skip('the file system has no room for so many attributes')
  }
  const { errnos, xattrs, xattrErrnos } = await list(root)
  assert.deepEqual([[...errnos], [...xattrErrnos]], [[0, 0], [[0, constants.errno.E2BIG]]])
  assert.ok(xattrs.get(0)!.size > 60 && xattrs.get(0)!.size < 80)
})
