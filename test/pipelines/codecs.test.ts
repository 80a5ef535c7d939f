import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type BackupError,
  chainCodecs,
  fullBackup,
  gzip,
  incrementalBackup,
  listBackups,
  listEntries,
  none,
  restoreBackup,
  verifyBackup,
  zstd
} from '../../src/index.js'
import { memoryStore } from '../../src/stores/memory.js'
import type { Codec, Store } from '../../src/types.js'
import { shifted } from '../codec/shifted.js'
import { code, collect } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

interface Desk {
  readonly source: string
  readonly store: Store
  readonly options: { readonly store: Store; readonly cache: false; readonly key: string }
  edit(text: string): void
  /** What a restore gives. */
  restored(options?: object): Promise<string>
}

function makeDesk(t: TestContext): Desk {
  const base = temporaryDirectory(t)
  const source = temporaryDirectory(t)
  const store = memoryStore()
  const options = { store, cache: false as const, key: 'key' }
  const edit = (text: string) => {
    writeFileSync(join(source, 'file'), text)
    const bytes = createRandom(1).bytes(100_000)
    bytes.write(text, 50_000)
    writeFileSync(join(source, 'large'), bytes)
  }
  edit('first')
  let restores = 0
  return {
    source,
    store,
    options,
    edit,
    async restored(more = {}) {
      const out = join(base, `out ${restores++}`)
      await restoreBackup('key', out, { ...options, ...more })
      const text = readFileSync(join(out, 'file'), 'utf8')
      assert.equal(readFileSync(join(out, 'large'), 'latin1').slice(50_000, 50_000 + text.length), text)
      return text
    }
  }
}

const names = async (store: Store) => (await collect(store.list())).map(({ name }) => name)

for (const codec of [shifted(), chainCodecs(zstd(), shifted()), chainCodecs(shifted(), gzip())]) {
  test(`a chain that ${codec.suffix} was written with is read, verified and continued by who gives the codec`, async t => {
    const desk = makeDesk(t)
    const { source, options } = desk
    await fullBackup(source, { ...options, codec })
    desk.edit('second')
    // The codec that a run writes with is known for reading.
    await incrementalBackup(source, { ...options, codec })
    for (const codecs of [[codec], [shifted()]]) {
      assert.equal(await desk.restored({ codecs }), 'second')
      assert.deepEqual((await verifyBackup('key', { ...options, codecs, readData: true })).problems, [])
      assert.equal((await collect(listEntries('key', { ...options, codecs }))).length, 3)
    }
    desk.edit('third')
    const { files } = await incrementalBackup(source, { ...options, codecs: [codec] })
    assert.ok(files.every(({ name }) => name.endsWith('.zst')))
    assert.equal(await desk.restored({ codecs: [codec] }), 'third')
  })
}

test('an artifact that no codec reads costs itself: the others are listed, and whoever needs it is told its name', async t => {
  const desk = makeDesk(t)
  const { source, store, options } = desk
  const { date, files } = await fullBackup(source, { ...options, codec: shifted() })
  await fullBackup(source, { ...options, key: 'other' })
  const listed = await collect(listBackups(undefined, options))
  assert.deepEqual(
    listed.map(({ key, kind, error }) => [key, kind, error?.code, error?.path]),
    [
      ['key', 'full', 'IBT_CODEC_UNKNOWN', `key.state.${date}.json.mine`],
      ['other', 'full', undefined, undefined]
    ]
  )
  const before = await names(store)
  const named = (error: unknown) => {
    const { code, path } = error as BackupError
    return code === 'IBT_CODEC_UNKNOWN' && path === `key.state.${date}.json.mine`
  }
  await assert.rejects(desk.restored(), named)
  await assert.rejects(incrementalBackup(source, options), named)
  assert.equal((await verifyBackup('key', options)).problems[0]!.code, 'IBT_CODEC_UNKNOWN')
  assert.deepEqual(await names(store), before)
  // A full begins anew, and leaves what it cannot read.
  const errors: BackupError[] = []
  const full = await fullBackup(source, { ...options, onError: error => errors.push(error) })
  assert.ok(full.date > date && errors.length === 1)
  assert.equal(await desk.restored(), 'first')
  for (const { name } of files) assert.ok((await names(store)).includes(name))
})

test('an archive whose key is missing is named by the restore that needs it', async t => {
  const desk = makeDesk(t)
  const { store, options, source } = desk
  const { files } = await fullBackup(source, options)
  const { name } = files.find(({ kind }) => kind === 'full')!
  await store.put(`${name.slice(0, -4)}.age`, await collect(store.get(name)))
  await store.delete(name)
  await assert.rejects(desk.restored(), { code: 'IBT_KEY_MISSING', message: new RegExp(`${name.slice(0, -4)}.age`) })
})

const UNREADABLE: Record<string, Codec> = {
  'gzip under the suffix of zstd': { ...gzip(), suffix: '.zst' },
  'a codec of one’s own without a suffix': shifted(1, ''),
  'a codec that cannot decode': { ...shifted(), decode: () => Promise.reject(new Error('not written yet')) },
  'a codec whose index is wrong': {
    ...shifted(),
    index: async (read, size, name) => none().index(read, size - 1, name)
  },
  'a codec that decodes to other bytes': { ...shifted(), decode: shifted(2).decode }
}
for (const [title, codec] of Object.entries(UNREADABLE)) {
  test(`${title} is refused before anything is stored`, async t => {
    const { source, store, options } = makeDesk(t)
    await assert.rejects(fullBackup(source, { ...options, codec }), code('IBT_CODEC_UNKNOWN'))
    assert.deepEqual(await names(store), [])
  })
}

test('what is no codec, and a suffix that no name can hold, are mistakes of the caller', async t => {
  const { source, options } = makeDesk(t)
  for (const codec of [{}, { ...none(), suffix: 'mine' }, { ...none(), suffix: '.Mine' }]) {
    await assert.rejects(fullBackup(source, { ...options, codec: codec as Codec }), TypeError)
  }
})

const BESIDE = [
  '.sha256',
  '.md5',
  '.asc',
  '.sig',
  '.par2',
  '.bak',
  '.part',
  '.tmp',
  '.whatever',
  '.vol003+04.par2',
  '~'
]
test('what lies beside artifacts is ignored: a backup is listed, restored, verified and continued', async t => {
  const desk = makeDesk(t)
  const { source, store, options } = desk
  await fullBackup(source, options)
  desk.edit('second')
  await incrementalBackup(source, options)
  for (const name of await names(store)) {
    for (const ending of BESIDE) await store.put(name + ending, [Buffer.from('x')])
  }
  assert.equal(await desk.restored(), 'second')
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
  const listed = await collect(listBackups(undefined, options))
  assert.deepEqual(
    listed.map(({ kind, error }) => [kind, error]),
    [
      ['full', undefined],
      ['incremental', undefined]
    ]
  )
  const before = await names(store)
  desk.edit('third')
  const third = await incrementalBackup(source, options)
  assert.equal(await desk.restored(), 'third')
  // Nothing of what lay there was taken for something that an interrupted run has left.
  assert.deepEqual((await names(store)).sort(), [...before, ...third.files.map(({ name }) => name)].sort())
})

test('sums and copies of an artifact that is gone, and of one that was never committed, are no artifacts', async t => {
  const desk = makeDesk(t)
  const { source, store, options } = desk
  const { files } = await fullBackup(source, options)
  const later = '20990101T000000.000Z'
  for (const { name, kind } of files) {
    await store.put(`key.${kind}.${later}.${name.split('Z.')[1]}.sha256`, [Buffer.from('x')])
    await store.put(`key.${kind}.${later}.${name.split('Z.')[1]}.part`, [Buffer.from('x')])
  }
  assert.equal((await collect(listBackups('key', options))).length, 1)
  assert.equal(await desk.restored(), 'first')
  const before = (await names(store)).length
  assert.equal(await incrementalBackup(source, options).then(({ kind }) => kind), 'incremental')
  assert.ok((await names(store)).length > before)
})

test('artifacts that somebody decompressed or compressed again beside the originals change nothing', async t => {
  const desk = makeDesk(t)
  const { source, store, options } = desk
  const { files } = await fullBackup(source, options)
  for (const { name } of files) {
    const bytes = Buffer.concat(await collect(store.get(name)))
    await store.put(name.slice(0, -'.zst'.length), await collect(zstd().decodeAll([bytes], name)))
    await store.put(`${name}.gz`, [await gzip().encode(bytes.subarray(0, 1000))])
  }
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
  assert.equal(await desk.restored(), 'first')
})

test('an incremental whose codec nobody gives is not silently left out by a restore of the newest', async t => {
  const desk = makeDesk(t)
  const { source, options } = desk
  await fullBackup(source, options)
  desk.edit('second')
  await incrementalBackup(source, { ...options, codec: shifted() })
  await assert.rejects(desk.restored(), code('IBT_CODEC_UNKNOWN'))
})
