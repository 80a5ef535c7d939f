import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { importTar, listBackups, restoreBackup, verifyBackup } from '../../../src/index.js'
import { decompress } from '../../../src/pipelines/backup/decompress.js'
import { memoryStore } from '../../../src/stores/index.js'
import { bytesOf, code, collect } from '../../helpers/entries.js'
import { run, shell } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const DATES = ['20190301T000000.000Z', '20190401T123000.000Z', '20200229T235959.999Z', '20210101T000000.000Z']

interface Archive {
  readonly at: string
  readonly path: string
}

/** Archives of a tree that changes, written as different tools and people do. */
function makeArchives(t: TestContext): { readonly base: string; readonly archives: readonly Archive[] } {
  const base = temporaryDirectory(t)
  const tree = join(base, 'tree')
  mkdirSync(join(tree, 'sub/deep'), { recursive: true })
  writeFileSync(join(tree, 'large'), createRandom(1).bytes(400_000))
  writeFileSync(join(tree, 'sub/deep/a'), 'a')
  writeFileSync(join(tree, 'z'), 'z')
  const archives: Archive[] = []
  const write = (command: string, end = '') => {
    const path = join(base, `${archives.length}.tar${end}`)
    execFileSync('bash', ['-o', 'pipefail', '-c', command, 'bash', tree, path])
    archives.push({ at: DATES[archives.length]!, path })
  }
  write('tar -C "$1" -cf "$2" z sub large')
  appendFileSync(join(tree, 'large'), 'more')
  write('tar -C "$1" -czf "$2" .', '.gz')
  rmSync(join(tree, 'z'))
  writeFileSync(join(tree, 'sub/new'), createRandom(2).bytes(20_000))
  write('tar -C "$1" -cf - . | zstd -q > "$2"', '.zst')
  appendFileSync(join(tree, 'large'), 'and more')
  write('bsdtar -C "$1" --format=pax -cf "$2" sub large')
  return { base, archives }
}

test(
  'a series of tars becomes a chain with their dates, and each comes back as GNU tar compares it',
  oracle('bash', 'tar', 'bsdtar', 'zstd'),
  async t => {
    const { base, archives } = makeArchives(t)
    const store = memoryStore()
    const options = { store, cache: false, key: 'old', sort: 'spool', spoolDirectory: base } as const
    for (const { at, path } of archives) await importTar([readFileSync(path)], { ...options, at })
    const backups = await collect(listBackups('old', options))
    assert.deepEqual(
      backups.map(({ date, kind, parent }) => [date, kind, parent]),
      DATES.map((date, i) => [date, i === 0 ? 'full' : 'incremental', DATES[i - 1]])
    )
    // Of what is appended to, only that is stored.
    for (const { storedBytes } of backups.slice(1)) assert.ok(storedBytes < 60_000, `${storedBytes}`)
    for (const { at, path } of archives) {
      const destination = join(base, at)
      await restoreBackup('old', destination, { store, cache: false, at })
      const plain = path.endsWith('.zst') ? 'zstd -dcq "$1"' : path.endsWith('.gz') ? 'gzip -dc "$1"' : 'cat "$1"'
      // A restore by another user than root, and a tar of other parts, may have another root directory.
      shell(`${plain} | tar -C "$2" --compare -f -`, path, destination)
      assert.deepEqual((await verifyBackup('old', { store, cache: false, at, readData: true })).problems, [])
    }
  }
)

test('dates ascend within a chain, and end at the present', oracle('tar'), async t => {
  const base = temporaryDirectory(t)
  writeFileSync(join(base, 'a'), 'a')
  const tar = run('tar', ['-C', base, '-cf', '-', 'a'])
  const options = { store: memoryStore(), cache: false, key: 'old' } as const
  const take = (at: string | Date) => importTar([tar], { ...options, at })
  assert.equal((await take(new Date('2020-01-01T00:00:00Z'))).date, '20200101T000000.000Z')
  for (const at of ['2020-01-01', '2019-12-31T23:59:59.999Z', '19990101T000000.000Z']) {
    await assert.rejects(take(at), (error: Error) => {
      assert.match(error.message, /cannot follow the newest one, of 20200101T000000\.000Z/)
      return code('IBT_CLOCK')(error)
    })
  }
  await assert.rejects(take(new Date(Date.now() + 60_000)), code('IBT_CLOCK'))
  for (const at of ['latest', 'nonsense', '2020-02-30']) await assert.rejects(take(at), RangeError)
  assert.equal((await take('20200101T000000.001Z')).parent, '20200101T000000.000Z')
  assert.equal((await collect(options.store.list())).filter(({ name }) => name.includes('.state.')).length, 2)
})

test(
  'a tar that is cut off or damaged, compressed or not, is no backup',
  oracle('tar', 'zstd', 'xz', 'bzip2'),
  async t => {
    const base = temporaryDirectory(t)
    writeFileSync(join(base, 'a'), createRandom(1).bytes(100_000))
    const tar = run('tar', ['-C', base, '-cf', '-', 'a'])
    const gzip = gzipSync(tar)
    const zstd = run('zstd', ['-qc'], tar)
    const store = memoryStore()
    const take = (bytes: Buffer) => importTar([bytes], { store, cache: false, key: 'old', at: '2020-01-01' })
    for (const bytes of [tar, gzip, zstd]) {
      for (const length of [0, 1, 600, bytes.length >> 1]) {
        await assert.rejects(take(bytes.subarray(0, length)), (error: Error & { code?: string }) => {
          assert.match(String(error.code), /^IBT_ARCHIVE_(TRUNCATED|CORRUPT)$/, `${length}: ${error.stack}`)
          return true
        })
      }
      const flipped = Buffer.from(bytes)
      flipped[5]! ^= 0xff
      flipped[bytes.length >> 1]! ^= 0xff
      if (bytes === gzip) await assert.rejects(take(flipped), code('IBT_ARCHIVE_CORRUPT'))
    }
    for (const command of ['xz', 'bzip2']) {
      await assert.rejects(take(run(command, ['-qc'], tar)), (error: Error) => {
        assert.match(error.message, new RegExp(`compressed with ${command}: decompress it first, ${command} -dc`))
        return code('IBT_CODEC_UNKNOWN')(error)
      })
    }
    assert.deepEqual(await collect(store.list()), [])
  }
)

test('a long frame of zstd is decompressed, or the error says what to do', oracle('zstd'), async () => {
  const bytes = createRandom(6).bytes(18_000_000)
  const found = await bytesOf(decompress([run('zstd', ['-qc'], bytes)])).catch((error: Error) => {
    assert.ok(code('IBT_ARCHIVE_CORRUPT')(error))
    return error.message
  })
  if (typeof found === 'string') assert.match(found, /decompress it first, zstd -dc/)
  else assert.ok(found.equals(bytes))
})

test('what gzip and zstd write is decompressed, cut anywhere, and everything else passes', oracle('zstd'), async () => {
  const bytes = createRandom(5).bytes(3_000_000)
  const many = Buffer.concat([gzipSync(bytes.subarray(0, 1_000_000)), gzipSync(bytes.subarray(1_000_000))])
  const frames = Buffer.concat(
    [0, 1, 2].map(i => run('zstd', ['-qc'], bytes.subarray(i * 1_000_000, (i + 1) * 1_000_000)))
  )
  for (const input of [bytes, many, frames]) {
    for (const size of [1, 1000, input.length]) {
      // A byte at a time, of the beginning.
      const cut = function* () {
        for (let at = 0; at < input.length; ) yield input.subarray(at, (at += at < 3000 ? size : 100_000))
      }
      assert.ok((await bytesOf(decompress(cut()))).equals(bytes))
    }
  }
  for (const short of ['', 'a', '\x1f', '\x1f\x8b'.slice(0, 1)]) {
    assert.equal(
      String(await bytesOf(decompress([Buffer.from(short, 'latin1')]))),
      String(Buffer.from(short, 'latin1'))
    )
  }
  const error = new Error('of the source')
  const failing = async function* () {
    yield gzipSync(bytes).subarray(0, 5000)
    throw error
  }
  await assert.rejects(bytesOf(decompress(failing())), found => found === error)
})
