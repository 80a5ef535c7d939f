import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { BackupError } from '../../src/errors.js'
import { fromTar, type TarEntry } from '../../src/interop/index.js'
import { bytesOf, code, collect } from '../helpers/entries.js'
import { run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { oldSparseTar, retyped, tarOf } from '../helpers/tars.js'
import { temporaryDirectory } from '../native/tree.js'

test('undrained contents above the buffer size do not stall the tar', { timeout: 600_000 }, async () => {
  const body = Buffer.alloc(300_000, 7)
  const tar = await tarOf([{ name: 'a' }, body], [{ name: 'b' }, body], [{ name: 'c' }, body])
  const paths: string[] = []
  for await (const { path } of fromTar([tar])) paths.push(path)
  assert.deepEqual(paths, ['a', 'b', 'c'])
})

test('a content that is left half read is drained at the next pull and refused afterwards', {
  timeout: 600_000
}, async () => {
  const body = Buffer.alloc(300_000, 7)
  const tar = await tarOf([{ name: 'a' }, body], [{ name: 'b' }, body])
  const entries = fromTar([tar.subarray(0, 100_000), tar.subarray(100_000)])
  const first = (await entries.next()).value as TarEntry
  const reader = (first.content!.open() as AsyncGenerator<Uint8Array>)[Symbol.asyncIterator]()
  await reader.next()
  assert.throws(() => first.content!.open(), code('IBT_READ_FAILED'))
  const second = (await entries.next()).value as TarEntry
  assert.deepEqual(await bytesOf(second.content!.open()), body)
  await assert.rejects(reader.next(), code('IBT_READ_FAILED'))
  assert.equal((await entries.next()).done, true)
})

test('a reader that breaks out of a content does not end the tar', { timeout: 600_000 }, async () => {
  const body = Buffer.alloc(300_000, 7)
  const tar = await tarOf([{ name: 'a' }, body], [{ name: 'b' }, 'end'])
  const texts: string[] = []
  for await (const { path, content } of fromTar([tar])) {
    for await (const chunk of content!.open()) {
      texts.push(`${path} ${chunk[0]}`)
      break
    }
  }
  assert.deepEqual(texts, ['a 7', `b ${'e'.charCodeAt(0)}`])
})

test('PAX times, ids, names and attributes are applied', async () => {
  const pax = { mtime: '-1.5', uid: '4294967294', gid: '3000000', uname: 'über', 'SCHILY.xattr.user.a': 'x' }
  const tar = await tarOf([{ name: './d/ä', pax }, 'body'])
  const [only] = (await collect(fromTar([tar]))) as [TarEntry]
  assert.equal(only.path, 'd/ä')
  assert.equal(only.mtimeNs, -1_500_000_000n)
  assert.equal(only.uid, 4294967294)
  assert.equal(only.gid, 3000000)
  assert.equal(only.uname, 'über')
  assert.deepEqual(only.xattrs, new Map([['user.a', new Uint8Array([0x78])]]))
})

test('unsafe paths and link targets are refused', async () => {
  for (const name of ['../up', 'a/../b', './..', '..']) {
    await assert.rejects(collect(fromTar([await tarOf([{ name }, 'x'])])), code('IBT_UNSAFE_PATH'), name)
  }
  const link = await tarOf([{ name: 'a', type: 'link', linkname: '..' }])
  await assert.rejects(collect(fromTar([link])), code('IBT_UNSAFE_PATH'))
})

test('a link member is a file without content that names the earlier member', async () => {
  const tar = await tarOf([{ name: './a' }, 'x'], [{ name: './b', type: 'link', linkname: './a' }])
  const [a, b] = await collect(fromTar([tar]))
  assert.equal(a!.linkTo, undefined)
  assert.deepEqual([b!.type, b!.linkTo, b!.content], ['file', 'a', undefined])
})

test('every cut of a tar is noticed', async () => {
  const tar = await tarOf([{ name: 'a' }, Buffer.alloc(1024)], [{ name: 'b', pax: { mtime: '1.5' } }, 'body'])
  for (let size = 0; size <= tar.length - 1024; size += 256) {
    await assert.rejects(collect(fromTar([tar.subarray(0, size)])), code('IBT_ARCHIVE_TRUNCATED'), `cut at ${size}`)
  }
  assert.equal((await collect(fromTar([tar.subarray(0, tar.length - 512)]))).length, 2)
})

test('damaged headers and compressed bytes are told as such', async () => {
  const tar = await tarOf([{ name: 'a' }, 'x'])
  tar[0] = tar[0]! ^ 1
  await assert.rejects(collect(fromTar([tar])), code('IBT_ARCHIVE_CORRUPT'))
  await assert.rejects(collect(fromTar([Buffer.alloc(4096, 31)])), code('IBT_ARCHIVE_CORRUPT'))
})

test('an error of the source passes unchanged', async () => {
  const error = new Error('Invalid header, says the network')
  async function* failing() {
    yield await tarOf([{ name: 'a' }, 'x'])
    throw error
  }
  await assert.rejects(collect(fromTar(failing())), thrown => thrown === error)
})

test('leaving a tar early closes its source', async () => {
  let isClosed = false
  const tar = await tarOf([{ name: 'a' }, Buffer.alloc(300_000)], [{ name: 'b' }, 'x'])
  async function* source() {
    try {
      for (let at = 0; at < tar.length; at += 1000) yield tar.subarray(at, at + 1000)
    } finally {
      isClosed = true
    }
  }
  for await (const _ of fromTar(source())) break
  assert.equal(isClosed, true)
})

test('what is no file, directory or link of one tar is refused by name', async () => {
  const tar = await tarOf([{ name: 's', pax: { 'GNU.sparse.major': '0', 'GNU.sparse.size': '1' } }, 'x'])
  await assert.rejects(collect(fromTar([tar])), (error: BackupError) => {
    return error.code === 'IBT_UNSUPPORTED_TYPE' && error.path === 's'
  })
  const multiVolume = retyped(await tarOf([{ name: 'a' }]), 'M')
  await assert.rejects(collect(fromTar([multiVolume])), code('IBT_UNSUPPORTED_TYPE'))
})

test('attributes are any bytes, ACLs are told in the entry', async () => {
  const pax = { 'SCHILY.xattr.security.capability': 'ABC', 'SCHILY.acl.access': 'user::rw-' }
  const tar = await tarOf([{ name: 'a', pax }, 'x'])
  const value = Buffer.from([0xff, 0, 0x80])
  value.copy(tar, tar.indexOf('ABC'))
  const [only] = await collect(fromTar([tar]))
  assert.deepEqual(Buffer.from(only!.xattrs!.get('security.capability')!), value)
  assert.deepEqual([only!.error?.code, only!.error?.path], ['IBT_UNSUPPORTED_TYPE', 'a'])
})

test('attributes as bsdtar writes them are taken', async () => {
  const pax = { 'LIBARCHIVE.xattr.user.a%3db': 'AP8', 'LIBARCHIVE.xattr.user.c': 'eA', 'SCHILY.xattr.user.c': 'y' }
  const [only] = await collect(fromTar([await tarOf([{ name: 'a', pax }, 'x'])]))
  assert.deepEqual(
    only!.xattrs,
    new Map([
      ['user.a=b', new Uint8Array([0, 255])],
      ['user.c', new Uint8Array([0x79])]
    ])
  )
})

test('records for all entries and volume labels are taken', oracle('tar', 'git'), async t => {
  const base = temporaryDirectory(t)
  writeFileSync(join(base, 'a'), 'a')
  const labelled = run('tar', ['-V', 'a label', '-C', base, '-cf', '-', 'a'])
  assert.deepEqual(
    (await collect(fromTar([labelled]))).map(({ path }) => path),
    ['a']
  )
  utimesSync(join(base, 'a'), 1, 1)
  const global = run('tar', ['--format=pax', '--pax-option=mtime=1.5', '-C', base, '-cf', '-', 'a'])
  assert.equal((await collect(fromTar([global])))[0]!.mtimeNs, 1_500_000_000n)
  run('git', ['-C', base, 'init', '-q'])
  run('git', ['-C', base, 'add', 'a'])
  const tree = run('git', ['-C', base, 'write-tree']).toString().trim()
  assert.equal((await collect(fromTar([run('git', ['-C', base, 'archive', tree])]))).length, 1)
})

/** A file with `extents` runs of data between holes, and a hole at its end if it is told so. */
function writeSparse(path: string, extents: number, sizeBytes: number): void {
  const fd = openSync(path, 'w')
  for (let i = 0; i < extents; i++) writeSync(fd, `data ${i}`, Math.floor((i * sizeBytes) / extents))
  ftruncateSync(fd, sizeBytes)
  closeSync(fd)
}

const SPARSE_FORMS = [
  'tar -S --format=gnu',
  'tar -S --format=oldgnu',
  'tar -S --format=pax',
  'tar -S --format=pax --sparse-version=0.1',
  'bsdtar --format=pax'
]
for (const form of SPARSE_FORMS) {
  test(`a sparse file comes out of "${form}" byte for byte`, oracle('tar', 'bsdtar'), async t => {
    const base = temporaryDirectory(t)
    // More extents than a header holds, than one block more, than a map in one block; none; a hole at the end.
    const shapes = { a: [1, 1 << 20], b: [4, 1 << 20], c: [5, 8 << 20], d: [200, 40 << 20], e: [0, 5 << 20] } as const
    for (const [name, [extents, sizeBytes]] of Object.entries(shapes)) writeSparse(join(base, name), extents, sizeBytes)
    writeFileSync(join(base, 'z'), 'the end')
    const [tool = '', ...options] = form.split(' ')
    const names = [...Object.keys(shapes), 'z']
    const tar = run(tool, [...options, '-C', base, '-cf', '-', ...names])
    assert.ok(tar.length < 8 << 20, 'the tar has no holes')
    const found: string[] = []
    for await (const { path, sizeBytes, content } of fromTar(cut(tar, 1000))) {
      const bytes = await bytesOf(content!.open())
      assert.equal(bytes.length, sizeBytes)
      assert.ok(bytes.equals(readFileSync(join(base, path))), path)
      found.push(path)
    }
    assert.deepEqual(found, names)
    const unread = await collect(fromTar([tar]))
    assert.deepEqual(
      unread.map(({ path }) => path),
      names
    )
  })
}

function* cut(bytes: Buffer, length: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

test('a sparse file whose map and data do not agree is refused by name', async () => {
  const map = (text: string) => Buffer.concat([Buffer.from(text), Buffer.alloc(512 - text.length)])
  const pax = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 's', 'GNU.sparse.realsize': '100' }
  const bodies = [
    ...[map('1\n0\n9\n'), Buffer.concat([map('1\n0\n1\n'), Buffer.from('12')]), map('1\n99\n9\n'), map('x\n')],
    ...[Buffer.from('1\n0\n'), map('2\n0\n1\n'), map('2\n9\n1\n0\n1\n'), map('9999999999\n')]
  ]
  for (const body of bodies) {
    const [only] = await collect(readAll(await tarOf([{ name: 'GNUSparseFile.0/s', pax }, body])))
    assert.equal(only?.code, 'IBT_ARCHIVE_CORRUPT', String(body.subarray(0, 20)))
    assert.equal(only?.path, 's')
  }
})

async function* readAll(tar: Buffer): AsyncGenerator<BackupError> {
  for await (const { content } of fromTar([tar])) {
    try {
      await bytesOf(content!.open())
    } catch (error) {
      yield error as BackupError
    }
  }
}

test('a map of the old form that does not fit its file is refused', async () => {
  const offsets = Array.from({ length: 30 }, (_, i) => i * 4096)
  const [good] = await collect(readAll(await oldSparseTar(offsets, 200_000)))
  assert.equal(good, undefined)
  for (const tar of [await oldSparseTar(offsets, 100_000), await oldSparseTar([...offsets, 0], 200_000)])
    await assert.rejects(collect(fromTar([tar])), code('IBT_ARCHIVE_CORRUPT'))
})

test('a large entry that nobody opens is skipped, a hole of 8 TiB without making its zeros', async () => {
  const large = Buffer.alloc(20 << 20, 'x')
  const map = Buffer.concat([Buffer.from('0\n'), Buffer.alloc(510)])
  const pax = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 's' }
  const hole = { name: 's', pax: { ...pax, 'GNU.sparse.realsize': String(2 ** 43) } }
  const tar = await tarOf([{ name: 'a' }, large], [hole, map], [{ name: 'z' }, 'z'])
  let asked = 0
  function* counted() {
    for (const chunk of cut(tar, 65_536)) {
      asked++
      yield chunk
    }
  }
  const entries = fromTar(counted())
  const first = (await entries.next()).value as TarEntry
  for (let i = 0; i < 10; i++) await setImmediate()
  assert.equal(asked, 1, 'nothing is read ahead')
  const second = (await entries.next()).value as TarEntry
  assert.equal(second.sizeBytes, 2 ** 43)
  assert.equal((await entries.next()).value!.path, 'z')
  assert.equal((await entries.next()).done, true)
  await assert.rejects(bytesOf(first.content!.open()), code('IBT_READ_FAILED'))
  await assert.rejects(bytesOf(second.content!.open()), code('IBT_READ_FAILED'))
})

test('leaving a tar does not wait for a content whose bytes never come', { timeout: 600_000 }, async () => {
  const tar = await tarOf([{ name: 'a' }, Buffer.alloc(300_000)])
  let isClosed = false
  const source: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]() {
      const chunks = cut(tar.subarray(0, 100_000), 10_000)
      return {
        next: async () => {
          const next = chunks.next()
          return next.done ? new Promise<never>(() => {}) : next
        },
        return: async () => {
          isClosed = true
          return new Promise<never>(() => {})
        }
      }
    }
  }
  const entries = fromTar(source)
  const { content } = (await entries.next()).value as TarEntry
  const reading = bytesOf(content!.open())
  reading.catch(() => {})
  await setImmediate()
  await entries.return()
  assert.ok(isClosed)
  await assert.rejects(reading, /The consumer stopped/)
})

test('a further name of a symlink is a symlink', oracle('tar'), async t => {
  const base = temporaryDirectory(t)
  symlinkSync('target', join(base, 'a'))
  linkSync(join(base, 'a'), join(base, 'b'))
  const found = await collect(fromTar([run('tar', ['-C', base, '-cf', '-', 'a', 'b'])]))
  assert.deepEqual(
    found.map(({ path, type, linkname, linkTo }) => [path, type, linkname, linkTo]),
    [
      ['a', 'symlink', 'target', undefined],
      ['b', 'symlink', 'target', undefined]
    ]
  )
})

test('GNU tar and bsdtar write what is read', oracle('tar', 'bsdtar'), async (t: TestContext) => {
  const tree = join(temporaryDirectory(t), 'tree')
  mkdirSync(tree)
  writeFileSync(join(tree, 'f'.repeat(120)), 'long')
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/raw`), Buffer.from([0xff])]), 'raw')
  linkSync(join(tree, 'f'.repeat(120)), join(tree, 'hard'))
  symlinkSync('t'.repeat(150), join(tree, 'sym'))
  utimesSync(join(tree, 'hard'), 1.5, 1.5)
  for (const command of ['tar --format=gnu', 'tar --format=ustar', 'tar --format=pax', 'bsdtar --format=gnutar']) {
    const isLong = !command.includes('ustar')
    const exclude = [...(isLong ? [] : ['--exclude=f*', '--exclude=sym'])]
    const [tool = '', format = ''] = command.split(' ')
    const made = spawnSync(tool, [format, ...exclude, '-C', tree, '-cf', '-', '.'])
    const entries = await collect(fromTar([made.stdout]))
    assert.equal(entries[0]!.path, '.', command)
    assert.ok(
      entries.some(({ path }) => path === 'raw\udcff'),
      command
    )
    const symlink = entries.find(({ type }) => type === 'symlink')
    assert.equal(symlink?.linkname, isLong ? 't'.repeat(150) : undefined, command)
  }
})
