import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { pack as createPack } from 'tar-stream'
import { fromTar, pipe, type TarEntry, toTarStream } from '../../src/interop/index.js'
import type { Entry, Source } from '../../src/types.js'
import { bytesOf, code, collect, content, directory, file, entry as plainEntry } from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'

const entry: typeof plainEntry = (path, rest) => plainEntry(path, { mtimeNs: 1_700_000_000_123_456_789n, ...rest })

async function repack(entries: Source<Entry>): Promise<Buffer> {
  const pack = createPack()
  const [bytes] = await Promise.all([bytesOf(pack as AsyncIterable<Uint8Array>), pipe(entries, toTarStream(pack))])
  return bytes
}

test('entries come back out of a pack as they went in', async () => {
  const entries: Entry[] = [
    directory('.'),
    { ...file('a', 'onetwo'), content: content(Buffer.from('one'), Buffer.alloc(0), Buffer.from('two')) },
    entry('b', { type: 'symlink', linkname: 'ä'.repeat(80), mode: 0o777 }),
    entry('dev', { type: 'character-device', devMajor: 1, devMinor: 3 }),
    { ...file('early', ''), mtimeNs: -1n, uid: 4294967294, gid: 262144, uname: 'u'.repeat(40), gname: 'g' },
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
  if (value instanceof Map) return [...value].map(([name, bytes]) => [name, Buffer.from(bytes).toString()])
  return typeof value === 'bigint' ? String(value) : value
}

test('GNU tar lists and bsdtar lists what a pack was fed', oracle('tar', 'bsdtar'), async () => {
  const tar = await repack([
    directory('.'),
    { ...file('a', 'x'), link: 1 },
    { ...file('b', 'x'), link: 1 },
    { ...file('c', ''), mtimeNs: -5n }
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
  await assert.rejects(pipe([file('a\udcff', '')], toTarStream(pack)), code('IBT_NAME_INVALID'))
  const other = createPack()
  other.on('error', () => {})
  await assert.rejects(pipe([entry('a')], toTarStream(other)), code('IBT_SIZE_UNKNOWN'))
})
