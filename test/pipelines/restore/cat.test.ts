import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzip, none, zstd } from '../../../src/codec/index.js'
import {
  catEntry,
  entryHistory,
  findEntries,
  fullBackup,
  incrementalBackup,
  listEntries,
  mergeBackups
} from '../../../src/index.js'
import { comparePaths, decodePath, printPath } from '../../../src/path.js'
import { directoryStore, memoryStore } from '../../../src/stores/index.js'
import type { Entry } from '../../../src/types.js'
import { NaiveChain } from '../../helpers/chain.js'
import { bytesOf, code, collect, directory, file } from '../../helpers/entries.js'
import { FarStore } from '../../helpers/far-store.js'
import { createRandom } from '../../helpers/random.js'
import { ODD_NAMES, Tree } from '../../helpers/tree.js'
import { temporaryDirectory } from '../../native/tree.js'

const LATENCY_MS = 20
const REQUESTS_MAX = 6

/** A chain with files of all kinds: whole, with deltas, moved, linked. */
async function makeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  const { source } = chain
  mkdirSync(join(source, 'd'))
  writeFileSync(join(source, 'd/patched'), createRandom(1).bytes(300_000))
  writeFileSync(join(source, 'small'), 'first')
  writeFileSync(join(source, 'empty'), '')
  writeFileSync(join(source, 'large'), createRandom(2).bytes(9_000_000))
  linkSync(join(source, 'small'), join(source, 'zlink'))
  symlinkSync('small', join(source, 'symlink'))
  await chain.full()
  for (let i = 0; i < 2; i++) {
    const bytes = readFileSync(join(source, 'd/patched'))
    bytes[i * 1000] = bytes[i * 1000]! ^ 1
    writeFileSync(join(source, 'd/patched'), bytes)
    writeFileSync(join(source, 'small'), `then ${i}`)
    await chain.incremental()
  }
  return chain
}

test('a file of every date is written byte for byte', async t => {
  const chain = await makeChain(t)
  for (const { date } of chain.reports) {
    for (const path of ['d/patched', 'small', 'zlink', 'empty', 'large']) {
      const bytes = await bytesOf(catEntry('key', path, { ...chain.options, at: date }))
      assert.ok(bytes.equals(readFileSync(join(chain.copy(date), path))), `${path} of ${date}`)
    }
  }
})

test('a file of every date is found where backups were merged, also under another name', async t => {
  const chain = await makeChain(t)
  const at = (path: string) => join(chain.source, path)
  renameSync(at('d/patched'), at('moved'))
  await chain.incremental()
  appendFileSync(at('moved'), 'more')
  writeFileSync(at('small'), 'after')
  await chain.incremental()
  await mergeBackups('key', { ...chain.options, at: chain.reports[2]!.date })
  for (const { date } of chain.reports) {
    for (const path of readdirSync(chain.copy(date)).filter(path => path !== 'symlink' && path !== 'd')) {
      const bytes = await bytesOf(catEntry('key', path, { ...chain.options, at: date }))
      assert.ok(bytes.equals(readFileSync(join(chain.copy(date), path))), `${path} of ${date}`)
    }
  }
  const events = await collect(entryHistory('key', 'small', chain.options))
  assert.equal(events.filter(({ change }) => change !== 'unchanged').length, 4)
  assert.equal((await collect(findEntries('key', 'small', chain.options))).length, 4)
})

test('a path is taken as it is, as reports print it, and with a slash or a dot in front', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  const tree = new Tree(chain.source, 1)
  tree.directory('d')
  for (const name of ODD_NAMES)
    tree.file(Buffer.concat([Buffer.from('d/'), Buffer.from(name as string)]), Buffer.from(name as string))
  await chain.full()
  for (const name of ODD_NAMES) {
    const path = `d/${decodePath(Buffer.from(name as string))}`
    for (const typed of [path, printPath(path), `/${path}`, `./${path}`]) {
      if (typed.startsWith('"') && typed === path) continue
      assert.deepEqual(await bytesOf(catEntry('key', typed, chain.options)), Buffer.from(name as string), typed)
    }
  }
})

test('what is no file, and what is not there, is refused before a byte', async t => {
  const chain = await makeChain(t)
  const cat = (path: string) => collect(catEntry('key', path, chain.options))
  await assert.rejects(cat('d'), code('IBT_UNSUPPORTED_TYPE'))
  await assert.rejects(cat('.'), /a directory, not a file/)
  await assert.rejects(cat('symlink'), /a symbolic link to small/)
  await assert.rejects(cat('d/nosuch'), code('IBT_NOT_FOUND'))
  await assert.rejects(cat('small/below'), code('IBT_NOT_FOUND'))
  await assert.rejects(collect(catEntry('other', 'small', chain.options)), code('IBT_NO_BACKUP'))
})

test('a file that could not be read when it was backed up has no content', {
  skip: process.geteuid?.() === 0 && 'needs a user other than root, who can read every file'
}, async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  writeFileSync(join(chain.source, 'secret'), 'x')
  chmodSync(join(chain.source, 'secret'), 0)
  await fullBackup(chain.source, { ...chain.options, onError: () => {} })
  await assert.rejects(collect(catEntry('key', 'secret', chain.options)), code('IBT_READ_FAILED'))
})

test('a damaged content is not given, or ends in an error', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, codec: none() })
  writeFileSync(join(chain.source, 'large'), createRandom(2).bytes(9_000_000))
  writeFileSync(join(chain.source, 'small'), createRandom(3).bytes(5000))
  await chain.full()
  const archive = chain.artifact('full', '')
  const bytes = readFileSync(archive)
  for (const path of ['large', 'small']) {
    const at = bytes.indexOf(readFileSync(join(chain.source, path)).subarray(0, 1000))
    bytes[at + 100] = bytes[at + 100]! ^ 1
  }
  writeFileSync(archive, bytes)
  let given = 0
  const read = async (path: string) => {
    for await (const chunk of catEntry('key', path, chain.options)) given += chunk.length
  }
  await assert.rejects(read('small'), code('IBT_HASH_MISMATCH'))
  assert.equal(given, 0)
  await assert.rejects(read('large'), code('IBT_HASH_MISMATCH'))
})

test('an abort ends it, and a consumer that stops leaves nothing behind', async t => {
  const chain = await makeChain(t)
  const abort = new AbortController()
  const reading = catEntry('key', 'large', { ...chain.options, signal: abort.signal })
  await reading.next()
  abort.abort(new Error('enough'))
  await assert.rejects(collect(reading), /enough/)
  for await (const _ of catEntry('key', 'large', chain.options)) break
})

/** Many files whose contents are in memory, in path order. */
function manyFiles(changed: Uint8Array, mtimeNs: bigint): Entry[] {
  const paths = Array.from({ length: 7000 }, (_, i) => `d${i % 100}/${i}`)
  const files = paths.map((path, i) => file(path, `content ${i} ${'x'.repeat(i % 400)}`))
  const others = [file('d20/random', createRandom(5).bytes(3_000_000)), file('d50/changed', changed, { mtimeNs })]
  return [directory('.'), ...files, ...others].sort((a, b) => comparePaths(a.path, b.path))
}

for (const codec of [zstd(), gzip(), none()]) {
  test(`one file of a large archive of ${codec.name} takes at most ${REQUESTS_MAX} requests`, async t => {
    const root = temporaryDirectory(t)
    const changed = createRandom(4).bytes(600_000)
    const far = new FarStore(memoryStore(), LATENCY_MS)
    const options = { store: far.store, cache: false as const, key: 'key', codec }
    const backup = (entries: Entry[]) => ({ ...options, stages: { walk: entries } })
    const first = manyFiles(changed, 1n)
    const { files: artifacts } = await fullBackup(root, backup(first))
    assert.ok(artifacts.find(({ kind }) => kind === 'state')!.sizeBytes > 300_000, 'the state is longer than its tail')
    for (const at of [1, 3000, first.length - 1]) {
      const { path, content } = first[at]!
      far.take()
      assert.ok((await bytesOf(catEntry('key', path, options))).equals(await bytesOf(content!.open())), path)
      assert.ok(far.requests.length <= REQUESTS_MAX, `${path}: ${far.requests.join('\n')}`)
    }
    changed[300_000] = changed[300_000]! ^ 1
    await incrementalBackup(root, backup(manyFiles(changed, 2n)))
    // A second archive has the delta: its end, which is all of it.
    far.take()
    assert.ok((await bytesOf(catEntry('key', 'd50/changed', options))).equals(changed))
    assert.ok(far.requests.length <= REQUESTS_MAX + 1, far.requests.join('\n'))
  })
}

test('a cached state saves its requests, and nothing is fetched into the cache', async t => {
  const chain = await makeChain(t)
  const far = new FarStore(directoryStore(chain.storePath))
  const cache = memoryStore()
  const options = { store: far.store, cache, key: 'key' }
  await bytesOf(catEntry('key', 'small', options))
  assert.equal(far.requests.filter(request => request.includes('.state.')).length, 1)
  assert.deepEqual(await collect(cache.list()), [])
  await collect(listEntries('key', options))
  far.take()
  assert.equal(String(await bytesOf(catEntry('key', 'small', options))), 'then 1')
  assert.deepEqual(
    far.requests.filter(request => request.includes('.state.')),
    []
  )
})
