import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pack as createPack, type Header } from 'tar-stream'
import { isBackupError } from '../../src/errors.js'
import { pipe } from '../../src/interop/pipe.js'
import { fromTar, toTarStream } from '../../src/interop/tar-stream.js'
import type { Entry, Signed, Source } from '../../src/types.js'
import { oracle } from '../helpers/oracle.js'

type TarEntry = Entry & Pick<Signed, 'linkTo'>

async function collect<T>(source: Source<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

async function bytesOf(source: Source<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await collect(source))
}

async function tarOf(...entries: [Partial<Header> & { name: string; pax?: object }, (string | Buffer)?][]) {
  const pack = createPack()
  for (const [header, body] of entries) pack.entry({ mtime: new Date(0), ...header }, body ?? '')
  pack.finalize()
  return bytesOf(pack as AsyncIterable<Uint8Array>)
}

function entry(path: string, rest: Partial<Entry> = {}): Entry {
  return { path, type: 'file', mode: 0o644, uid: 1, gid: 2, mtimeNs: 1_700_000_000_123_456_789n, ...rest }
}

function file(path: string, ...chunks: string[]): Entry {
  const parts = chunks.map(chunk => Buffer.from(chunk))
  const sizeBytes = Buffer.concat(parts).length
  return entry(path, { sizeBytes, content: { open: () => parts } })
}

const code = (expected: string) => (error: unknown) => isBackupError(error) && error.code === expected

async function repack(entries: Source<Entry>): Promise<Buffer> {
  const pack = createPack()
  const [bytes] = await Promise.all([bytesOf(pack as AsyncIterable<Uint8Array>), pipe(entries, toTarStream(pack))])
  return bytes
}

test('undrained contents above the buffer size do not stall the tar', { timeout: 10_000 }, async () => {
  const body = Buffer.alloc(300_000, 7)
  const tar = await tarOf([{ name: 'a' }, body], [{ name: 'b' }, body], [{ name: 'c' }, body])
  const paths: string[] = []
  for await (const { path } of fromTar([tar])) paths.push(path)
  assert.deepEqual(paths, ['a', 'b', 'c'])
})

test('a content that is left half read is drained at the next pull and refused afterwards', {
  timeout: 10_000
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

test('a reader that breaks out of a content does not end the tar', { timeout: 10_000 }, async () => {
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
  assert.deepEqual(only.xattrs, new Map([['user.a', Buffer.from('x')]]))
})

test('unsafe paths and link targets are refused', async () => {
  for (const name of ['/etc/passwd', '../up', 'a/../b', 'a//b', './..', '..']) {
    await assert.rejects(collect(fromTar([await tarOf([{ name }, 'x'])])), code('IBT_UNSAFE_PATH'), name)
  }
  const link = await tarOf([{ name: 'a', type: 'link', linkname: '../b' }])
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

test('sparse files and unknown types are refused by name', async () => {
  for (const tar of [
    await tarOf([{ name: './GNUSparseFile.12/s' }, 'x']),
    await tarOf([{ name: 's', pax: { 'GNU.sparse.major': '1' } }, 'x'])
  ]) {
    await assert.rejects(collect(fromTar([tar])), code('IBT_UNSUPPORTED_TYPE'))
  }
})

test('an attribute that is not text is reported and left out', async () => {
  const errors: unknown[] = []
  const tar = await tarOf([{ name: 'a', pax: { 'SCHILY.xattr.user.b': '\ufffd' } }, 'x'])
  const [only] = await collect(fromTar([tar], { onError: error => errors.push(error) }))
  assert.equal(only!.xattrs, undefined)
  assert.equal(errors.length, 1)
})

test('GNU tar and bsdtar write what is read, sparse files apart', oracle('tar', 'bsdtar'), async () => {
  const dir = mkdtempSync(join(tmpdir(), 'from-tar-'))
  try {
    const tree = join(dir, 'tree')
    mkdirSync(tree)
    writeFileSync(join(tree, 'f'.repeat(120)), 'long')
    writeFileSync(Buffer.concat([Buffer.from(`${tree}/raw`), Buffer.from([0xff])]), 'raw')
    linkSync(join(tree, 'f'.repeat(120)), join(tree, 'hard'))
    symlinkSync('t'.repeat(150), join(tree, 'sym'))
    utimesSync(join(tree, 'hard'), 1.5, 1.5)
    for (const command of ['tar --format=gnu', 'tar --format=ustar', 'tar --format=pax', 'bsdtar --format=gnutar']) {
      const isLong = !command.includes('ustar')
      const isRaw = !command.includes('pax')
      const exclude = [...(isLong ? [] : ['--exclude=f*', '--exclude=sym']), ...(isRaw ? [] : ['--exclude=raw*'])]
      const [tool = '', format = ''] = command.split(' ')
      const made = spawnSync(tool, [format, ...exclude, '-C', tree, '-cf', '-', '.'])
      const entries = await collect(fromTar([made.stdout]))
      assert.equal(entries[0]!.path, '.', command)
      assert.equal(
        entries.some(({ path }) => path === 'raw\udcff'),
        isRaw,
        command
      )
      const symlink = entries.find(({ type }) => type === 'symlink')
      assert.equal(symlink?.linkname, isLong ? 't'.repeat(150) : undefined, command)
    }
    truncateSync(join(tree, 'hard'), 10_000_000)
    for (const format of ['gnu', 'pax']) {
      const made = spawnSync('tar', [`--format=${format}`, '-S', '-C', tree, '-cf', '-', 'hard'])
      await assert.rejects(collect(fromTar([made.stdout])), code('IBT_UNSUPPORTED_TYPE'), format)
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('entries come back out of a pack as they went in', async () => {
  const entries: Entry[] = [
    entry('.', { type: 'directory', mode: 0o755 }),
    file('a', 'one', '', 'two'),
    entry('b', { type: 'symlink', linkname: 'ä'.repeat(80), mode: 0o777 }),
    entry('dev', { type: 'character-device', devMajor: 1, devMinor: 3 }),
    { ...file('early'), mtimeNs: -1n, uid: 4294967294, gid: 262144, uname: 'u'.repeat(40), gname: 'g' },
    { ...file('late', 'x'), mtimeNs: 2n ** 33n * 1_000_000_000n, mode: 0 },
    { ...file('x', 'attributes'), xattrs: new Map([['user.ä', Buffer.from('ö')]]) }
  ]
  const tar = await repack(entries)
  const read: (TarEntry & { text?: string })[] = []
  for await (const found of fromTar([tar])) {
    read.push(found.content ? { ...found, text: String(await bytesOf(found.content.open())) } : found)
  }
  const seen = read.map(({ content: _, text: __, link: ___, ...rest }) =>
    JSON.parse(JSON.stringify(rest, replaceBigint))
  )
  const wanted = entries.map(({ content: _, ...rest }) =>
    JSON.parse(JSON.stringify({ uname: undefined, gname: undefined, ...rest }, replaceBigint))
  )
  assert.deepEqual(seen, wanted)
  assert.equal(read[1]!.text, 'onetwo')
})

function replaceBigint(_key: string, value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([name, bytes]) => [name, String(bytes)])
  return typeof value === 'bigint' ? String(value) : value
}

test('GNU tar lists and bsdtar lists what a pack was fed', oracle('tar', 'bsdtar'), async () => {
  const tar = await repack([
    entry('.', { type: 'directory', mode: 0o755 }),
    { ...file('a', 'x'), link: 1 },
    { ...file('b', 'x'), link: 1 },
    { ...file('c'), mtimeNs: -5n }
  ])
  for (const tool of ['tar', 'bsdtar']) {
    const { stdout, stderr, status } = spawnSync(tool, ['-tf', '-'], { input: tar })
    assert.equal(String(stderr), '')
    assert.equal(String(stdout), './\na\nb\nc\n')
    assert.equal(status, 0)
  }
  assert.equal((await collect(fromTar([tar])))[2]!.linkTo, 'a')
})

test('a content of another size than its entry says is refused, and the pack destroyed', async () => {
  for (const sizeBytes of [2, 4]) {
    const pack = createPack()
    const read = bytesOf(pack as AsyncIterable<Uint8Array>)
    read.catch(() => {})
    const sink = pipe([{ ...file('a', 'abc'), sizeBytes }], toTarStream(pack))
    await assert.rejects(sink, code('IBT_FILE_CHANGED'))
    await assert.rejects(read)
  }
})

test('what a tar cannot hold is counted', async () => {
  const pack = createPack()
  pack.resume()
  const report = await pipe([entry('s', { type: 'socket' }), file('t', 'x')], toTarStream(pack))
  assert.deepEqual(report, { entries: 1, skippedEntries: 1 })
})

test('a pack that nobody reads stops the source, also among entries without a body', async () => {
  const pack = createPack()
  let pulled = 0
  function* directories() {
    for (let i = 0; i < 10_000; i++) {
      pulled++
      yield entry(`d${i}`, { type: 'directory' })
    }
  }
  const controller = new AbortController()
  const sink = pipe(directories(), toTarStream(pack), { signal: controller.signal })
  for (let i = 0; i < 300; i++) await new Promise(resolve => setImmediate(resolve))
  assert.ok(pulled < 200, `${pulled} entries were pulled`)
  controller.abort('enough')
  await assert.rejects(sink, reason => reason === 'enough')
})

test('names that are not UTF-8 and sizes that are not known are refused', async () => {
  const pack = createPack()
  pack.on('error', () => {})
  await assert.rejects(pipe([file('a\udcff')], toTarStream(pack)), code('IBT_NAME_INVALID'))
  const other = createPack()
  other.on('error', () => {})
  await assert.rejects(pipe([entry('a')], toTarStream(other)), code('IBT_SIZE_UNKNOWN'))
})
