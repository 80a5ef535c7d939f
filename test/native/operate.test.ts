import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createSequence, NOT_PROVEN, Operation, openRoot, operate, SPARED } from '../../src/native.js'
import { code } from '../helpers/entries.js'
import { runWithFaults } from '../helpers/faults.js'
import { oracle, reachedByNobody } from '../helpers/oracle.js'
import { columnsOf, randomBytes, run, type Step, temporaryDirectory } from './tree.js'

const { EEXIST, EINVAL, ELOOP, ENOENT, ENOTEMPTY, EISDIR } = constants.errno
const { makeDirectory, writeFile, makeSymlink, makeLink, setMetadata, remove, rename } = Operation
const { writeSparseFile, makeFifo, removeOne, unlink } = Operation
const isRoot = process.getuid?.() === 0

test('a tree is made in one job', async t => {
  const root = temporaryDirectory(t)
  const body = randomBytes(3 << 20, 1)
  const errnos = await run(
    root,
    { code: makeDirectory, path: 'd', mode: 0o755 },
    { code: writeFile, path: 'd/file', body, mode: 0o640, mtimeNs: 1_600_000_000_123_456_789n },
    { code: writeFile, path: 'd/empty', mode: 0o4711, mtimeNs: -1n },
    { code: writeFile, path: 'd/plain' },
    { code: makeSymlink, path: 'd/symlink', other: '../nowhere', mtimeNs: 5_000_000_001n },
    { code: makeLink, path: 'hard', other: 'd/file' },
    { code: makeDirectory, path: 'private' },
    { code: setMetadata, path: 'd', mode: 0o1777, mtimeNs: 42n }
  )
  assert.deepEqual(errnos, [0, 0, 0, 0, 0, 0, 0, 0])
  const stat = (path: string) => lstatSync(join(root, path), { bigint: true })
  const mode = (path: string) => Number(stat(path).mode & 0o7777n)
  assert.ok(readFileSync(join(root, 'd/file')).equals(body))
  assert.equal(mode('d/file'), 0o640)
  assert.equal(stat('d/file').mtimeNs, 1_600_000_000_123_456_789n)
  assert.equal(mode('d/empty'), 0o4711)
  assert.equal(stat('d/empty').mtimeNs, -1n)
  assert.equal(mode('d/plain'), 0o600)
  assert.equal(readlinkSync(join(root, 'd/symlink')), '../nowhere')
  assert.equal(stat('d/symlink').mtimeNs, 5_000_000_001n)
  assert.equal(stat('hard').ino, stat('d/file').ino)
  assert.equal(mode('private'), 0o700)
  assert.equal(mode('d'), 0o1777)
  assert.equal(stat('d').mtimeNs, 42n)
})

test('one failure does not stop the others', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'there'), 'old')
  const errnos = await run(
    root,
    { code: writeFile, path: 'there', body: Buffer.from('new') },
    { code: makeDirectory, path: 'there' },
    { code: makeDirectory, path: '.' },
    { code: makeSymlink, path: 'there', other: 'x' },
    { code: makeLink, path: 'there', other: 'there' },
    { code: writeFile, path: 'none/file' },
    { code: setMetadata, path: 'none', mode: 0o600 },
    { code: rename, path: 'none', other: 'some' },
    { code: 99, path: 'x' },
    { code: writeFile, path: 'good', body: Buffer.from('good') }
  )
  assert.deepEqual(errnos, [EEXIST, EEXIST, EEXIST, EEXIST, EEXIST, ENOENT, ENOENT, ENOENT, EINVAL, 0])
  assert.equal(readFileSync(join(root, 'there'), 'utf8'), 'old')
  assert.equal(readFileSync(join(root, 'good'), 'utf8'), 'good')
})

test('nothing is written through a link or outside the root', async t => {
  const outside = temporaryDirectory(t)
  const root = temporaryDirectory(t)
  writeFileSync(join(outside, 'target'), 'target')
  chmodSync(join(outside, 'target'), 0o644)
  const before = lstatSync(join(outside, 'target'), { bigint: true })
  symlinkSync(outside, join(root, 'out'))
  symlinkSync(join(outside, 'target'), join(root, 'link'))
  writeFileSync(join(root, 'file'), 'file')
  const through: Step[] = [
    { code: writeFile, path: 'out/new' },
    { code: makeDirectory, path: 'out/new' },
    { code: makeSymlink, path: 'out/new', other: 'x' },
    { code: makeLink, path: 'out/new', other: 'file' },
    { code: makeLink, path: 'new', other: 'out/target' },
    { code: setMetadata, path: 'out/target', mode: 0o777 },
    { code: remove, path: 'out/target' },
    { code: rename, path: 'out/target', other: 'new' },
    { code: rename, path: 'file', other: 'out/new' }
  ]
  assert.deepEqual(
    await run(root, ...through),
    through.map(() => ELOOP)
  )
  const around: Step[] = [
    { code: writeFile, path: '../new' },
    { code: remove, path: '..' },
    { code: remove, path: '.' },
    { code: rename, path: 'file', other: '../file' },
    { code: makeLink, path: 'new', other: '/etc/passwd' },
    { code: setMetadata, path: '/etc', mode: 0 },
    { code: makeDirectory, path: 'a//b' },
    { code: makeDirectory, path: '' }
  ]
  assert.deepEqual(
    await run(root, ...around),
    around.map(() => EINVAL)
  )
  assert.deepEqual(await run(root, { code: writeFile, path: 'link' }), [EEXIST])
  assert.deepEqual(await run(root, { code: setMetadata, path: 'link', mode: 0o777, mtimeNs: 7n }), [0])
  assert.equal(lstatSync(join(root, 'link'), { bigint: true }).mtimeNs, 7n)
  assert.deepEqual(await run(root, { code: makeLink, path: 'copy', other: 'link' }), [0])
  assert.ok(lstatSync(join(root, 'copy')).isSymbolicLink())
  const after = lstatSync(join(outside, 'target'), { bigint: true })
  assert.deepEqual([after.mode, after.mtimeNs, after.ctimeNs], [before.mode, before.mtimeNs, before.ctimeNs])
  assert.deepEqual(readdirSync(outside), ['target'])
})

test('a directory that becomes a link in the same job is not followed', async t => {
  const outside = temporaryDirectory(t)
  const root = temporaryDirectory(t)
  const errnos = await run(
    root,
    { code: makeDirectory, path: 'd' },
    { code: writeFile, path: 'd/a' },
    { code: remove, path: 'd' },
    { code: makeSymlink, path: 'd', other: outside },
    { code: writeFile, path: 'd/b' },
    { code: makeDirectory, path: 'e' },
    { code: writeFile, path: 'e/a' },
    { code: rename, path: 'e', other: 'f' },
    { code: writeFile, path: 'e/b' },
    { code: writeFile, path: 'f/b' }
  )
  assert.deepEqual(errnos, [0, 0, 0, 0, ELOOP, 0, 0, 0, ENOENT, 0])
  assert.deepEqual(readdirSync(outside), [])
  assert.deepEqual(readdirSync(join(root, 'f')), ['a', 'b'])
})

test('remove takes everything but what links lead to', async t => {
  const outside = temporaryDirectory(t)
  const root = temporaryDirectory(t)
  writeFileSync(join(outside, 'kept'), 'kept')
  mkdirSync(join(root, 'tree/a/b'), { recursive: true })
  mkdirSync(join(root, 'tree/c'))
  for (const path of ['tree/1', 'tree/a/2', 'tree/a/b/3']) writeFileSync(join(root, path), '')
  symlinkSync(outside, join(root, 'tree/a/link'))
  symlinkSync(outside, join(root, 'link'))
  linkSync(join(root, 'tree/1'), join(root, 'kept'))
  assert.deepEqual(
    await run(
      root,
      { code: remove, path: 'tree' },
      { code: remove, path: 'tree' },
      { code: remove, path: 'link' },
      { code: remove, path: 'no/ne' }
    ),
    [0, 0, 0, 0]
  )
  assert.deepEqual(readdirSync(root), ['kept'])
  assert.deepEqual(readdirSync(outside), ['kept'])
})

test('a tree of 1,500 levels with files is removed', async t => {
  const root = temporaryDirectory(t)
  const steps: Step[] = []
  let path = ''
  for (let i = 0; i < 1500; i++) {
    path = path === '' ? 'level' : `${path}/level`
    steps.push({ code: makeDirectory, path }, { code: writeFile, path: `${path}/file` })
  }
  assert.ok((await run(root, ...steps)).every(errno => errno === 0))
  assert.deepEqual(await run(root, { code: remove, path: 'level' }), [0])
  assert.deepEqual(readdirSync(root), [])
})

test('rename replaces a file, and a directory only if it is empty', async t => {
  const root = temporaryDirectory(t)
  for (const name of ['d1', 'd2', 'd3']) mkdirSync(join(root, name))
  for (const name of ['a', 'b', 'd2/x']) writeFileSync(join(root, name), name)
  const errnos = await run(
    root,
    { code: rename, path: 'a', other: 'b' },
    { code: rename, path: 'd1', other: 'd2' },
    { code: rename, path: 'b', other: 'd2' },
    { code: rename, path: 'd2', other: 'd3' }
  )
  assert.deepEqual(errnos, [0, ENOTEMPTY, EISDIR, 0])
  assert.equal(readFileSync(join(root, 'b'), 'utf8'), 'a')
  assert.deepEqual(readdirSync(join(root, 'd3')), ['x'])
})

test('a file that is to replace another has a name beside it until then', async t => {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'd/full'), { recursive: true })
  for (const name of ['d/file', 'd/full/x']) writeFileSync(join(root, name), 'old')
  symlinkSync('full', join(root, 'd/link'))
  const body = Buffer.from('new')
  const errnos = await run(
    root,
    { code: writeFile, path: 'd/file', other: 'tmp', body },
    { code: writeFile, path: 'd/link', other: 'tmp', body },
    { code: writeFile, path: 'd/fresh', other: 'tmp', body },
    { code: writeFile, path: 'd/full', other: 'tmp', body },
    { code: writeFile, path: 'd/file', other: 'fresh', body },
    { code: writeFile, path: 'd/file', other: '../tmp', body },
    { code: writeFile, path: 'd/file', other: 'full/tmp', body },
    { code: writeFile, path: 'd/file', other: '..', body }
  )
  assert.deepEqual(errnos, [0, 0, 0, EISDIR, EEXIST, EINVAL, EINVAL, EINVAL])
  assert.deepEqual(readdirSync(join(root, 'd')), ['file', 'fresh', 'full', 'link'])
  for (const name of ['file', 'fresh', 'link']) assert.equal(readFileSync(join(root, 'd', name), 'utf8'), 'new')
  assert.ok(lstatSync(join(root, 'd/link')).isFile())
  assert.equal(readFileSync(join(root, 'd/full/x'), 'utf8'), 'old')
})

test('blocks of zeros become holes, at every border', async t => {
  const root = temporaryDirectory(t)
  for (const size of [0, 1, 4095, 4096, 4097, 8192, 12_289]) {
    for (const at of new Set([undefined, 0, size - 1, 4096])) {
      const body = Buffer.alloc(size)
      if (at !== undefined && at >= 0 && at < size) body[at] = 1
      const path = `${size} ${at}`
      assert.deepEqual(await run(root, { code: writeSparseFile, path, body }), [0])
      assert.ok(readFileSync(join(root, path)).equals(body), path)
      if (!body.includes(1)) assert.equal(lstatSync(join(root, path)).blocks, 0, path)
    }
  }
})

test('attributes are made those of the list, also of a file that the user may not write', {
  skip: !isRoot && 'needs root',
  ...reachedByNobody()
}, t => {
  const root = temporaryDirectory(t)
  chmodSync(root, 0o777)
  const script = `
    process.setgroups([65534]); process.setgid(65534); process.setuid(65534)
    const { run } = await import(${JSON.stringify(new URL('./tree.js', import.meta.url).href)})
    const root = ${JSON.stringify(root)}
    const xattrs = pairs => new Map(pairs.map(([name, value]) => [name, Buffer.from(value)]))
    const set = (mode, ...pairs) => run(root, { code: 5, path: 'f', mode, xattrs: xattrs(pairs) })
    console.log(JSON.stringify([
      await run(root, { code: 2, path: 'f', mode: 0o444, xattrs: xattrs([['user.a', 'a'], ['user.b', 'b']]) }),
      await set(0o444, ['user.a', 'longer'], ['user.c', '']),
      await run(root, { code: 5, path: 'f', mode: 0o400 })
    ]))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  if (stdout.includes(String(constants.errno.EOPNOTSUPP))) return t.skip('the file system has no extended attributes')
  assert.equal(stdout, '[[0],[0],[0]]\n', stderr)
  assert.equal(lstatSync(join(root, 'f')).mode & 0o7777, 0o400)
  const found = spawnSync('getfattr', ['--absolute-names', '-d', join(root, 'f')], { encoding: 'utf8' })
  if (found.status === 0) assert.deepEqual(found.stdout.match(/^user.*/gm), ['user.a="longer"', 'user.c=""'])
})

test('what is mounted in a directory stays when the directory is removed', oracle('mount', 'umount'), async t => {
  const root = temporaryDirectory(t)
  const mounted = join(root, 'd/deep/mounted')
  mkdirSync(mounted, { recursive: true })
  writeFileSync(join(root, 'd/file'), '')
  if (spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', mounted]).status !== 0)
    return t.skip('this user may not mount a file system here')
  try {
    writeFileSync(join(mounted, 'kept'), 'kept')
    const steps = [remove, removeOne].flatMap(code =>
      ['d', 'd/deep/mounted', 'd/deep/mounted/kept'].map(path => ({ code, path }))
    )
    const replaced = { code: writeFile, path: 'd/deep/mounted/kept', other: 'new' }
    const errnos = await run(root, ...steps, replaced)
    assert.deepEqual(errnos, [SPARED, SPARED, SPARED, ENOTEMPTY, SPARED, SPARED, SPARED])
    assert.equal(readFileSync(join(mounted, 'kept'), 'utf8'), 'kept')
    assert.deepEqual(readdirSync(mounted), ['kept'])
    assert.ok(!existsSync(join(root, 'd/file')))
  } finally {
    spawnSync('umount', [mounted])
  }
})

test('owners are set before modes, so that setuid survives', { skip: !isRoot && 'needs root' }, async t => {
  const root = temporaryDirectory(t)
  const errnos = await run(
    root,
    { code: writeFile, path: 'file', uid: 1234, gid: 4321, mode: 0o6755 },
    { code: makeDirectory, path: 'd', uid: 1234, gid: 4321, mode: 0o2750 },
    { code: makeSymlink, path: 'l', other: 'none', uid: 1234, gid: 4321 },
    { code: writeFile, path: 'group', gid: 4321, mode: 0o600 },
    { code: setMetadata, path: '.', mode: 0o711, mtimeNs: 9n }
  )
  assert.deepEqual(errnos, [0, 0, 0, 0, 0])
  const owner = (path: string) => {
    const { uid, gid, mode } = lstatSync(join(root, path))
    return [uid, gid, mode & 0o7777]
  }
  assert.deepEqual(owner('file'), [1234, 4321, 0o6755])
  assert.deepEqual(owner('d'), [1234, 4321, 0o2750])
  assert.deepEqual(owner('l').slice(0, 2), [1234, 4321])
  assert.deepEqual(owner('group'), [0, 4321, 0o600])
  assert.equal(owner('.')[2], 0o711)
  assert.equal(lstatSync(root, { bigint: true }).mtimeNs, 9n)
})

test('a file that did not get its owner does not get setuid', {
  skip: !isRoot && 'needs root',
  ...reachedByNobody()
}, t => {
  const root = temporaryDirectory(t)
  chmodSync(root, 0o777)
  const script = `
    process.setgid(65534); process.setuid(65534)
    import(${JSON.stringify(new URL('./tree.js', import.meta.url).href)}).then(async ({ unsetBy }) => {
      const file = { code: 2, path: 'file', uid: 0, mode: 0o6755, mtimeNs: 5n }
      console.log(JSON.stringify(await unsetBy(${JSON.stringify(root)}, file)))
    })`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  assert.ok(stdout !== '', stderr)
  const { EPERM } = constants.errno
  const unset = ['owner', 'privileges'].map(part => ({ operation: 0, part, errno: EPERM, attribute: '' }))
  assert.deepEqual(JSON.parse(stdout), unset)
  const stat = lstatSync(join(root, 'file'), { bigint: true })
  assert.deepEqual([stat.mode & 0o7777n, stat.mtimeNs], [0o755n, 5n])
})

test('a file that keeps its owner gets setuid only if that is who had it', {
  skip: !isRoot && 'needs root'
}, async t => {
  const root = temporaryDirectory(t)
  const file = (path: string, uid: number | undefined, gid: number | undefined, mode: number): Step => ({
    ...{ code: writeFile, path, mode },
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid })
  })
  const files = [
    file('own', 0, 0, 0o4755),
    file('user', 1234, 0, 0o4755),
    file('group', 0, 4321, 0o2755),
    file('nobody', undefined, undefined, 0o6755),
    file('plain', 1234, 4321, 0o755),
    { code: makeDirectory, path: 'directory', uid: 1234, gid: 4321, mode: 0o2755 }
  ]
  const { errnos, unset } = await operate(Buffer.from(root), columnsOf(files), { setsOwner: false })
  assert.ok(errnos.every(errno => errno === 0))
  assert.deepEqual(
    unset.map(({ operation, part }) => [files[operation]!.path, part]),
    ['user', 'group', 'nobody'].map(path => [path, 'privileges'])
  )
  const stats = files.map(({ path }) => lstatSync(join(root, String(path))))
  assert.deepEqual(
    stats.map(({ mode }) => mode & 0o7777),
    [0o4755, 0o755, 0o755, 0o755, 0o755, 0o2755]
  )
  assert.ok(stats.every(({ uid, gid }) => uid === 0 && gid === 0))
})

test('one thing is removed, but not a directory that is not empty', async t => {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'full/empty'), { recursive: true })
  writeFileSync(join(root, 'file'), '')
  symlinkSync('full', join(root, 'link'))
  const paths = ['full', 'full/empty', 'file', 'link', 'none', 'none/none', 'full']
  const errnos = await run(root, ...paths.map(path => ({ code: removeOne, path })))
  assert.deepEqual(errnos, [ENOTEMPTY, 0, 0, 0, 0, 0, 0])
  assert.deepEqual(readdirSync(root), [])
  writeFileSync(join(root, 'file'), '')
  assert.deepEqual(await run(root, { code: unlink, path: 'file' }, { code: unlink, path: 'file' }), [0, 0])
})

test('a root that is open may be moved, and something else take its name', async t => {
  const base = temporaryDirectory(t)
  const root = join(base, 'root')
  mkdirSync(root)
  mkdirSync(join(base, 'outside'))
  const fd = await openRoot(Buffer.from(root))
  t.after(() => closeSync(fd))
  renameSync(root, join(base, 'moved'))
  symlinkSync('outside', root)
  const steps = columnsOf([
    { code: makeDirectory, path: 'd' },
    { code: writeFile, path: 'd/file' }
  ])
  assert.deepEqual([...(await operate(fd, steps)).errnos], [0, 0])
  assert.deepEqual([readdirSync(join(base, 'outside')), readdirSync(join(base, 'moved/d'))], [[], ['file']])
  await assert.rejects(openRoot(Buffer.from(join(base, 'none'))), code('IBT_READ_FAILED'))
})

test('a file that cannot be written whole is removed again', oracle('mount', 'umount'), async t => {
  const root = temporaryDirectory(t)
  const small = join(root, 'small')
  mkdirSync(small)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]).status !== 0)
    return t.skip('this user may not mount a file system here')
  try {
    const errnos = await run(
      root,
      { code: writeFile, path: 'small/large', body: Buffer.alloc(4 << 20) },
      { code: writeFile, path: 'small/file', body: Buffer.alloc(1000) }
    )
    assert.deepEqual(errnos, [constants.errno.ENOSPC, 0])
    assert.ok(!existsSync(join(small, 'large')))
  } finally {
    spawnSync('umount', [small])
  }
})

test('columns that do not fit together are refused', async t => {
  const root = Buffer.from(temporaryDirectory(t))
  const good = columnsOf([{ code: writeFile, path: 'a', body: Buffer.from('abc') }])
  const bad = [
    { paths: Buffer.from('a') },
    { paths: Buffer.from('a\0b\0') },
    { others: Buffer.alloc(0) },
    { modes: new Uint32Array(2) },
    { mtimesNs: new BigInt64Array(0) },
    { offsets: Float64Array.of(0) },
    { offsets: Float64Array.of(0, 4) },
    { offsets: Float64Array.of(2, 1) },
    { offsets: Float64Array.of(-1, 1) },
    { offsets: Float64Array.of(Number.NaN, 1) },
    { devMajors: new Uint32Array(0) },
    { xattrOffsets: Float64Array.of(0) },
    { xattrOffsets: Float64Array.of(0, 1) }
  ]
  for (const column of bad) await assert.rejects(operate(root, { ...good, ...column }), RangeError)
  await assert.rejects(operate(root, { ...good, modes: new Int32Array(1) as unknown as Uint32Array }), TypeError)
  assert.deepEqual([...(await operate(root, columnsOf([]))).errnos], [])
  for (const xattrs of [
    Buffer.of(1),
    Buffer.of(1, 0, 0, 0),
    Buffer.of(1, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 1)
  ]) {
    const fifo = columnsOf([{ code: makeFifo, path: `fifo ${xattrs.length}` }])
    const cut = { xattrs, xattrOffsets: Float64Array.of(0, xattrs.length) }
    const { errnos, unset } = await operate(root, { ...fifo, ...cut })
    assert.deepEqual([...errnos], [0])
    assert.deepEqual(unset, [{ operation: 0, part: 'attribute', errno: EINVAL, attribute: '' }])
  }
})

const REPLACE = `
  import { OperationBatch } from ${JSON.stringify(import.meta.resolve('../../src/restore/operations.js'))}
  import { openRoot, Operation } from ${JSON.stringify(import.meta.resolve('../../src/native.js'))}
  const batch = new OperationBatch()
  batch.add({ code: Operation.writeFile, path: 'file', other: 'new#close' }, Buffer.from('new'))
  const root = await openRoot(Buffer.from(process.argv[1]))
  console.log(JSON.stringify((await batch.run(root)).shortfalls.map(({ errno }) => errno)))
`

test(
  'a file that cannot be closed does not replace the old one',
  process.platform === 'linux' ? oracle('cc') : { skip: 'tests what only Linux has' },
  t => {
    const root = temporaryDirectory(t)
    writeFileSync(join(root, 'file'), 'old')
    assert.deepEqual(runWithFaults(temporaryDirectory(t), REPLACE, root), [constants.errno.EIO])
    assert.deepEqual(readdirSync(root), ['file'])
    assert.equal(readFileSync(join(root, 'file'), 'utf8'), 'old')
  }
)

test('a body that does not have its digest is not written', async t => {
  const root = temporaryDirectory(t)
  const body = randomBytes(100_000, 7)
  const sha256 = createHash('sha256').update(body).digest()
  const wrong = Buffer.from(sha256)
  wrong[31]! ^= 1
  const files: Step[] = Array.from({ length: 150 }, (_, i) => ({
    code: i % 3 === 0 ? writeSparseFile : writeFile,
    path: `f${i}`,
    body: i % 2 === 0 ? body : Buffer.alloc(0),
    sha256: i % 5 === 0 ? Buffer.alloc(32) : i % 2 === 0 && i !== 88 ? sha256 : wrong
  }))
  const errnos = await run(root, ...files)
  const isRight = (i: number) => i % 5 === 0 || (i % 2 === 0 && i !== 88)
  assert.deepEqual(
    errnos,
    files.map((_, i) => (isRight(i) ? 0 : NOT_PROVEN))
  )
  assert.deepEqual(
    files.map(({ path }) => existsSync(join(root, String(path)))),
    files.map((_, i) => isRight(i))
  )
})

test('jobs of a sequence make one tree together', async t => {
  const root = temporaryDirectory(t)
  const sequence = createSequence()
  const jobs: Step[][] = Array.from({ length: 20 }, (_, job) => [
    ...(job > 0 ? [{ code: setMetadata, path: `d${job - 1}`, mode: 0o555, mtimeNs: 42n }] : []),
    { code: makeDirectory, path: `d${job}` },
    ...Array.from({ length: 20 }, (_, i) => ({ code: writeFile, path: `d${job}/${i}`, body: randomBytes(50_000, i) })),
    // Into what an earlier job has made.
    { code: writeFile, path: `d${Math.max(0, job - 1)}/late${job}`, body: randomBytes(500_000, 1) },
    { code: makeLink, path: `link${job}`, other: `d${job}/0` }
  ])
  const results = await Promise.all(jobs.map(steps => operate(Buffer.from(root), columnsOf(steps), { sequence })))
  assert.ok(results.every(({ errnos }) => errnos.every(errno => errno === 0)))
  for (let job = 0; job < 19; job++) {
    const { mtimeNs, mode } = lstatSync(join(root, `d${job}`), { bigint: true })
    assert.deepEqual([mtimeNs, Number(mode) & 0o777], [42n, 0o555])
    assert.ok(readFileSync(join(root, `link${job}`)).equals(randomBytes(50_000, 0)))
  }
})

test('a job of a sequence finds the directories of the one before', async t => {
  const root = temporaryDirectory(t)
  const sequence = createSequence()
  const directories: Step[] = Array.from({ length: 3000 }, (_, i) => ({ code: makeDirectory, path: `d${i}` }))
  const jobs = [directories, [{ code: writeFile, path: 'd2999/file', body: Buffer.from('x') }]]
  const results = await Promise.all(jobs.map(steps => operate(Buffer.from(root), columnsOf(steps), { sequence })))
  assert.deepEqual([...results[1]!.errnos], [0])
})

test('a job of a sequence that fails or is aborted does not stop the next', async t => {
  const root = temporaryDirectory(t)
  const sequence = createSequence()
  const steps = (path: string) => columnsOf([{ code: makeDirectory, path }])
  await assert.rejects(operate(Buffer.from(join(root, 'none')), steps('a'), { sequence }))
  const controller = new AbortController()
  const aborted = operate(Buffer.from(root), steps('b'), { sequence, signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(aborted, { message: 'enough' })
  assert.deepEqual([...(await operate(Buffer.from(root), steps('c'), { sequence })).errnos], [0])
  assert.ok(existsSync(join(root, 'c')))
})
