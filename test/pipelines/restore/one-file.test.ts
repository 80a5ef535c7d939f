import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { age } from '../../../src/age/index.js'
import type { ArchiveReader } from '../../../src/codec/archive-reader.js'
import { gzip, none } from '../../../src/codec/index.js'
import { catEntry, fullBackup, restoreBackup } from '../../../src/index.js'
import { comparePaths } from '../../../src/path.js'
import { encrypted, prefixed, tiered } from '../../../src/stores/decorators/index.js'
import { Chain, directoryStore, wrapStore } from '../../../src/stores/index.js'
import type { Cipher, Codec, Entry, Store } from '../../../src/types.js'
import { bytesOf, directory, file } from '../../helpers/entries.js'
import { makeKeyPair } from '../../helpers/keys.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const random = createRandom(11)
const WORDS = Array.from({ length: 2000 }, () =>
  random
    .bytes(4)
    .toString('hex')
    .slice(0, 2 + random.int(7))
)

function text(words: number): string {
  return Array.from({ length: words }, () => WORDS[random.int(WORDS.length)]).join(' ')
}

/** Directories of files, in path order: a tree of so many entries. */
function manyEntries(entries: number, makeContent: () => string | Uint8Array): Entry[] {
  const directories = Math.ceil(entries / 100)
  const all = [directory('.')]
  for (let i = 0; i < directories; i++) {
    all.push(directory(`dir ${i}`))
    for (let j = 0; j < 99; j++) all.push(file(`dir ${i}/file ${j}`, makeContent()))
  }
  return all.sort((a, b) => comparePaths(a.path, b.path))
}

/** What was asked of a store: a list, or a part of a name. */
interface Asked {
  readonly name: string
  readonly start: number
  bytes: number
}

function watched(store: Store): { readonly store: Store; readonly asked: Asked[] } {
  const asked: Asked[] = []
  const watching = wrapStore(store, {
    list(prefix, options) {
      asked.push({ name: '', start: 0, bytes: 0 })
      return store.list(prefix, options)
    },
    async *get(name, range, options) {
      const request = { name, start: range?.start ?? 0, bytes: 0 }
      asked.push(request)
      for await (const chunk of store.get(name, range, options)) {
        request.bytes += chunk.length
        yield chunk
      }
    }
  })
  return { store: watching, asked }
}

const sum = (asked: readonly Asked[]) => asked.reduce((total, { bytes }) => total + bytes, 0)

/** No byte of a name is read twice. */
function assertReadOnce(asked: readonly Asked[]): void {
  const sorted = [...asked].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.start - b.start))
  for (const [i, { name, start }] of sorted.entries()) {
    const before = sorted[i - 1]
    assert.ok(before?.name !== name || before.start + before.bytes <= start, `${name} from ${start} twice`)
  }
}

/** The stored bytes of the largest frame of the archive. */
async function largestFrame(store: Store): Promise<number> {
  const chain = await Chain.open(store, 'key')
  const archive = (await chain.openArchive(chain.newest!.date, 'full')) as ArchiveReader
  return Math.max(...Array.from({ length: archive.index.frames }, (_, i) => archive.index.frame(i).storedBytes))
}

async function makeBackup(t: TestContext, entries: readonly Entry[]) {
  const base = temporaryDirectory(t)
  const store = directoryStore(join(base, 'store'))
  const cache = join(base, 'cache')
  const { files } = await fullBackup(base, { store, cache, key: 'key', stages: { walk: entries } as never })
  const stateBytes = files.find(({ kind }) => kind === 'state')!.sizeBytes
  return { base, store, cache, stateBytes }
}

type Backup = Awaited<ReturnType<typeof makeBackup>>

/** Both ways to one file. */
const WAYS: Record<string, (backup: Backup, store: Store, cache: string | false, path: string) => Promise<Buffer>> = {
  cat: async (_, store, cache, path) => Buffer.from(await bytesOf(catEntry('key', path, { store, cache }))),
  'restore --path': async ({ base }, store, cache, path) => {
    const out = join(base, 'out')
    const report = await restoreBackup('key', out, { store, cache, paths: [`/${path}`] })
    assert.deepEqual([report.files, report.reads.ofArchives, report.reads.archives], [1, 1, 1])
    const bytes = readFileSync(join(out, path))
    rmSync(out, { recursive: true })
    return bytes
  }
}

test('one file of 8,800 entries costs 3 requests and little more than its frame with a cache, and 4 without, with no byte twice', async t => {
  const entries = manyEntries(8800, () => text(200))
  const backup = await makeBackup(t, entries)
  const most = (await largestFrame(backup.store)) + 5000
  for (const [way, read] of Object.entries(WAYS)) {
    for (const at of [2, 4400, entries.length - 1]) {
      const { path, content } = entries[at]!
      const expected = Buffer.from(await bytesOf(content!.open()))
      for (const cache of [backup.cache, false] as const) {
        const { store, asked } = watched(backup.store)
        assert.ok((await read(backup, store, cache, path)).equals(expected))
        const said = `${way} ${path}: ${JSON.stringify(asked)}`
        assert.ok(asked.length <= (cache === false ? 4 : 3), said)
        assert.ok(sum(asked) <= most + (cache === false ? backup.stateBytes : 0), said)
        assertReadOnce(asked)
      }
    }
  }
})

interface Case {
  readonly options?: { readonly codec?: Codec; readonly encrypt?: Cipher; readonly codecs?: readonly Cipher[] }
  readonly wrap?: (store: Store) => Store
  /** Requests with a cache and without, and bytes without those of the state. */
  readonly most: readonly [cached: number, uncached: number, bytes: number]
}

const { identity, recipient } = await makeKeyPair()
const cipher = age({ recipients: [recipient], identities: [identity] })

/** As the table of docs/look-around.md says. */
const CASES: Record<string, Case> = {
  zstd: { most: [3, 4, 150_000] },
  gzip: { options: { codec: gzip() }, most: [3, 4, 150_000] },
  // Its state has more than 2 MiB.
  none: { options: { codec: none() }, most: [3, 5, 20_000] },
  prefixed: { wrap: store => prefixed(store, 'mine-'), most: [3, 4, 150_000] },
  tiered: { wrap: store => tiered({ default: store, full: store }), most: [3, 4, 150_000] },
  'the option encrypt': { options: { encrypt: cipher, codecs: [cipher] }, most: [4, 5, 270_000] },
  'the store encrypted': { wrap: store => encrypted(store, cipher), most: [7, 10, 350_000] }
}

test('one random file of 8,800 entries costs as few requests, and less than 150 kB where nothing is encrypted', async t => {
  const entries = manyEntries(8800, () => random.bytes(1100))
  for (const [what, { options = {}, wrap = (store: Store) => store, most }] of Object.entries(CASES)) {
    const base = temporaryDirectory(t)
    const cache = join(base, 'cache')
    const own = directoryStore(join(base, 'store'))
    const stages = { walk: entries } as never
    const { files } = await fullBackup(base, { store: wrap(own), cache, key: 'key', stages, ...options })
    const stateBytes = files.find(({ kind }) => kind === 'state')!.sizeBytes
    for (const at of [3, 1000, 4400, 7000, entries.length - 1]) {
      const { path, content } = entries[at]!
      const expected = Buffer.from(await bytesOf(content!.open()))
      for (const [i, from] of [cache, false as const].entries()) {
        const { store, asked } = watched(own)
        const found = await bytesOf(catEntry('key', path, { store: wrap(store), cache: from, ...options }))
        assert.ok(expected.equals(found))
        const said = `${what} ${path} ${i}: ${sum(asked)} bytes, ${JSON.stringify(asked)}`
        assert.ok(asked.length <= most[i]!, said)
        // Of an encrypted state, the store reads a chunk of 64 KiB again.
        const ofState = i === 0 ? 0 : stateBytes * 1.2
        assert.ok(sum(asked) <= most[2] + ofState, said)
      }
    }
  }
})

test('one file of base64 or of hexadecimal costs less than 150 kB, too', async t => {
  const makers = {
    base64: () => random.bytes(1100).toString('base64'),
    hexadecimal: () => random.bytes(1100).toString('hex')
  }
  for (const [what, makeContent] of Object.entries(makers)) {
    const entries = manyEntries(3000, makeContent)
    const backup = await makeBackup(t, entries)
    for (const at of [3, 1000, entries.length - 1]) {
      const { path, content } = entries[at]!
      const { store, asked } = watched(backup.store)
      const found = await bytesOf(catEntry('key', path, { store, cache: backup.cache }))
      assert.ok(found.equals(Buffer.from(await bytesOf(content!.open()))))
      assert.ok(asked.length <= 3 && sum(asked) < 150_000, `${what} ${path}: ${JSON.stringify(asked)}`)
    }
  }
})

test('of a large state, one file costs the frames that lead to it, and a directory what is in it', async t => {
  const entries = manyEntries(50_000, () => text(3))
  const backup = await makeBackup(t, entries)
  assert.ok(backup.stateBytes > 2_000_000, `${backup.stateBytes}`)
  const { path, content } = entries[30_000]!
  const expected = Buffer.from(await bytesOf(content!.open()))
  for (const [way, read] of Object.entries(WAYS)) {
    const { store, asked } = watched(backup.store)
    assert.ok((await read(backup, store, false, path)).equals(expected), way)
    const ofState = asked.filter(({ name }) => name.includes('.state.'))
    assert.ok(sum(ofState) < 0.65 * backup.stateBytes, `${way}: ${sum(ofState)} of ${backup.stateBytes}`)
    assert.ok(asked.length <= 8, `${way}: ${JSON.stringify(asked)}`)
  }
  const out = join(backup.base, 'directory')
  const options = { store: backup.store, cache: false as const, paths: ['/dir 7/'] }
  assert.equal((await restoreBackup('key', out, options)).files, 99)
  assert.deepEqual(readdirSync(out), ['dir 7'])
})
