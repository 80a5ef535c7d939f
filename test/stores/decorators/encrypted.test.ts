import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { age } from '../../../src/age/index.js'
import { catEntry, fullBackup, incrementalBackup, restoreBackup, verifyBackup } from '../../../src/index.js'
import { directoryStore, encrypted, memoryStore, storeConformance } from '../../../src/stores/index.js'
import { inverted } from '../../codec/ciphers.js'
import { countingStore } from '../../helpers/counting-store.js'
import { bytesOf, code, collect } from '../../helpers/entries.js'
import { ageDecrypts, identityFile, makeKeyPair } from '../../helpers/keys.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const host = await makeKeyPair()
const cipher = age({ recipients: [host.recipient], identities: [host.identity] })

storeConformance('encrypted', () => encrypted(memoryStore(), cipher), { test })

test('a chain lives in it: stored names end in .age, and age reads them', oracle('age'), async t => {
  const base = temporaryDirectory(t)
  const source = temporaryDirectory(t)
  mkdirSync(join(base, 'out'))
  const directory = join(base, 'store')
  const options = { store: encrypted(directoryStore(directory), cipher), cache: false as const, key: 'key' }
  const body = createRandom(1).bytes(300_000)
  writeFileSync(join(source, 'file'), body)
  const full = await fullBackup(source, options)
  body[1000]! ^= 1
  writeFileSync(join(source, 'file'), body)
  await incrementalBackup(source, { ...options, store: encrypted(directoryStore(directory), cipher) })
  await restoreBackup('key', join(base, 'out'), options)
  assert.ok(readFileSync(join(base, 'out/file')).equals(body))
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
  const names = readdirSync(directory)
  assert.ok(names.length >= 5 && names.every(name => name.endsWith('.age')), names.join())
  const identity = identityFile(base, host)
  for (const { name, sizeBytes } of full.files) {
    const plain = ageDecrypts(join(directory, `${name}.age`), identity)
    assert.equal(plain.length, sizeBytes)
    assert.ok(plain.equals(await bytesOf(options.store.get(name))))
  }
})

test('sizes are those before encryption, read once; ranges cost a request each; foreign names are not shown', async () => {
  const { store: counted, given } = countingStore(memoryStore())
  const store = encrypted(counted, cipher)
  const body = createRandom(2).bytes(1_000_000)
  for (const name of ['a', 'a.2', 'b']) await store.put(name, [body])
  await counted.put('plain', [body])
  for (let round = 0; round < 2; round++) {
    const listed = await collect(store.list())
    assert.deepEqual(
      listed.map(({ name, sizeBytes }) => [name, sizeBytes]),
      ['a', 'a.2', 'b'].map(name => [name, 1_000_000])
    )
  }
  assert.deepEqual(
    [...given.values()].map(({ requests }) => requests),
    [1, 1, 1]
  )
  given.clear()
  for (let at = 0; at < 1_000_000; at += 250_000) {
    const range = await bytesOf(store.get('a', { start: at, end: at + 250_000 }))
    assert.ok(range.equals(body.subarray(at, at + 250_000)))
  }
  // The header and the end, then each range.
  assert.ok(given.get('a.age')!.requests <= 6)
  // A name that was replaced behind its back is read anew once it is listed.
  await encrypted(counted, cipher).put('a', [Buffer.from('other')])
  await collect(store.list())
  assert.equal((await bytesOf(store.get('a', { start: 1, end: 3 }))).toString(), 'th')
})

test('one file of an archive in it costs a few requests', async t => {
  const source = temporaryDirectory(t)
  for (let i = 0; i < 20; i++) writeFileSync(join(source, `file ${i}`), createRandom(i).bytes(500_000))
  const { store: counted, given } = countingStore(memoryStore())
  const options = { store: encrypted(counted, cipher), cache: false as const, key: 'key' }
  await fullBackup(source, options)
  given.clear()
  const fresh = encrypted(counted, cipher)
  assert.equal((await bytesOf(catEntry('key', 'file 7', { ...options, store: fresh }))).length, 500_000)
  for (const [name, { requests }] of given) assert.ok(requests <= 6, `${requests} requests to ${name}`)
})

test('what has no key or is damaged is said, and a cipher without ranges is refused', async () => {
  const inner = memoryStore()
  await encrypted(inner, cipher).put('name', [Buffer.from('abc')])
  const blind = encrypted(inner, age({ recipients: [host.recipient] }))
  assert.deepEqual(await collect(blind.list()), [{ name: 'name', sizeBytes: 3 }])
  await assert.rejects(bytesOf(blind.get('name')), code('IBT_KEY_MISSING'))
  await inner.put('bad.age', [Buffer.from('not age')])
  const store = encrypted(inner, cipher)
  assert.deepEqual(
    (await collect(store.list())).map(({ name }) => name),
    ['bad', 'name']
  )
  await assert.rejects(bytesOf(store.get('bad')), code('IBT_ARCHIVE_CORRUPT'))
  assert.throws(() => encrypted(inner, inverted()), TypeError)
})
