import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { age } from '../../src/age/index.js'
import { gzip, none, zstd } from '../../src/codec/index.js'
import {
  autoBackup,
  catEntry,
  drillBackup,
  exportBackups,
  fullBackup,
  importBackups,
  importTar,
  incrementalBackup,
  listBackups,
  mergeBackups,
  pruneBackups,
  restoreBackup,
  verifyBackup
} from '../../src/index.js'
import { encrypt } from '../../src/stages/index.js'
import { directoryStore, memoryStore } from '../../src/stores/index.js'
import type { Chunk, Cipher, Counted, Packed, Sealed } from '../../src/types.js'
import { holding, inverted } from '../codec/ciphers.js'
import { NaiveChain } from '../helpers/chain.js'
import { countingStore } from '../helpers/counting-store.js'
import { bytesOf, code, collect } from '../helpers/entries.js'
import { ageDecrypts, identityFile, makeKeyPair } from '../helpers/keys.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const [host, recovery, stranger] = [await makeKeyPair(), await makeKeyPair(), await makeKeyPair()]
const recipients = [host.recipient, recovery.recipient]
const cipher = age({ recipients, identities: [host.identity] })
const writer = age({ recipients })

/** A full and two increments: whole files, deltas, and files that were moved. */
async function makeChain(t: TestContext, options: object): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, ...options })
  const { source } = chain
  const body = createRandom(1).bytes(300_000)
  mkdirSync(join(source, 'd'))
  writeFileSync(join(source, 'd/patched'), body)
  writeFileSync(join(source, 'text'), 'word '.repeat(100_000))
  writeFileSync(join(source, 'empty'), '')
  await chain.full()
  for (let i = 0; i < 2; i++) {
    body[i * 1000] = body[i * 1000]! ^ 1
    writeFileSync(join(source, 'd/patched'), body)
    writeFileSync(join(source, `new ${i}`), `new ${i}`)
    await chain.incremental()
  }
  renameSync(join(source, 'text'), join(source, 'words'))
  await chain.incremental()
  return chain
}

const of = (chain: NaiveChain, codecs: readonly Cipher[]) => ({ store: chain.storePath, cache: false as const, codecs })

for (const codec of [zstd(), gzip(), none()]) {
  test(
    `a chain that is encrypted behind ${codec.name} is restored, proven, merged and continued`,
    oracle('age', 'rsync'),
    async t => {
      const chain = await makeChain(t, { codec, encrypt: cipher })
      const options = of(chain, [age({ identities: [recovery.identity] })])
      for (const { date, files } of chain.reports) {
        await chain.assertRestores(date, options)
        for (const { name, sizeBytes, sha256 } of files) {
          const stored = readFileSync(join(chain.storePath, name))
          assert.ok(name.endsWith(`${codec.suffix}.age`))
          assert.deepEqual([stored.length, createHash('sha256').update(stored).digest('hex')], [sizeBytes, sha256])
        }
      }
      const found = await verifyBackup('key', { ...options, readData: true })
      assert.deepEqual([found.problems, found.files], [[], 5])
      assert.deepEqual(
        (await collect(listBackups('key', options))).map(({ error }) => error),
        Array(4).fill(undefined)
      )
      assert.equal((await bytesOf(catEntry('key', 'words', options))).length, 500_000)
      // What is stored is what the codec alone stores, for whoever has the key.
      const state = chain.artifact('state', chain.reports[0]!.date)
      const identity = identityFile(chain.base, host)
      const reader = codec.decodeAll([ageDecrypts(state, identity)], state)
      assert.match((await bytesOf(reader)).toString(), /"path":"d\/patched"/)
      // The cipher of `codecs` has no recipients: nothing is stored in plain text.
      await assert.rejects(mergeBackups('key', options), code('IBT_NOT_ENCRYPTED'))
      const merged = await mergeBackups('key', { ...options, codecs: [cipher] })
      assert.ok(merged.files.every(({ name }) => name.endsWith(`${codec.suffix}.age`)))
      await pruneBackups('key', { ...options, keepLast: 1, graceMs: 0 })
      await chain.assertRestores(chain.reports.at(-1)!.date, options)
      writeFileSync(join(chain.source, 'last'), 'last')
      const { date } = await chain.incremental()
      await chain.assertRestores(date, options)
      assert.ok(readdirSync(chain.storePath).every(name => name.endsWith('.age')))
    }
  )
}

test('a splice by hand stores the same as the option', async t => {
  const source = temporaryDirectory(t)
  writeFileSync(join(source, 'file'), 'word '.repeat(10_000))
  const store = memoryStore()
  const options = { store, cache: false as const, key: 'key', codecs: [cipher] }
  const byHand = () => ({
    encrypt: encrypt<Packed | Chunk | Sealed>(cipher),
    encryptState: encrypt<Chunk | Sealed | Counted>(cipher)
  })
  const full = await fullBackup(source, { ...options, encrypt: cipher })
  writeFileSync(join(source, 'file'), 'other')
  // The key has encrypted backups, and the run does not know that these stages encrypt.
  await assert.rejects(incrementalBackup(source, { ...options, stages: byHand }), code('IBT_NOT_ENCRYPTED'))
  const more = await incrementalBackup(source, { ...options, encrypt: cipher, stages: d => ({ encrypt: d.encrypt }) })
  const other = await fullBackup(source, { ...options, key: 'other', stages: byHand })
  assert.deepEqual(
    [...full.files, ...more.files, ...other.files].map(({ name }) => name.split('.').slice(4).join('.')),
    [...full.files, ...more.files, ...other.files].map(({ kind }) => `${kind === 'state' ? 'json' : 'tar'}.zst.age`)
  )
  assert.deepEqual((await verifyBackup('other', { ...options, readData: true })).problems, [])
})

test('one file of a large encrypted archive costs a few requests, and few bytes', async t => {
  const source = temporaryDirectory(t)
  for (let i = 0; i < 40; i++) writeFileSync(join(source, `file ${i}`), createRandom(i).bytes(500_000))
  const { store, given } = countingStore(memoryStore())
  await fullBackup(source, { store, cache: false, key: 'key', encrypt: cipher })
  given.clear()
  const content = await bytesOf(catEntry('key', 'file 20', { store, cache: false, codecs: [cipher] }))
  assert.ok(content.equals(createRandom(20).bytes(500_000)))
  for (const [name, { requests, bytes }] of given) {
    const isState = name.includes('.state.')
    assert.ok(requests <= (isState ? 3 : 3), `${requests} requests to ${name}`)
    // The end of the archive, its header, the frames of the file.
    assert.ok(bytes < (isState ? 100_000 : 256 * 1024 + 4096 + 2 * 1024 * 1024 + 200_000), `${bytes} bytes of ${name}`)
  }
  assert.equal(given.size, 2)
})

test('who has the store and no key learns names and sizes, and is told what is missing', async t => {
  const chain = await makeChain(t, { encrypt: cipher })
  const { source, storePath: store } = chain
  const plain = { store, cache: false as const, key: 'key' }
  const listed = await collect(listBackups('key', plain))
  assert.deepEqual(
    listed.map(({ error }) => error?.code),
    Array(4).fill('IBT_KEY_MISSING')
  )
  assert.deepEqual(
    listed.map(({ kind }) => kind),
    ['full', 'incremental', 'incremental', 'incremental']
  )
  const out = join(chain.base, 'out')
  await assert.rejects(restoreBackup('key', out, plain), (error: Error) => {
    assert.match(error.message, /^key\.state\..*\.json\.zst\.age is encrypted .*--identity FILE/)
    return code('IBT_KEY_MISSING')(error)
  })
  const wrong = { ...plain, codecs: [age({ identities: [stranger.identity] })] }
  await assert.rejects(restoreBackup('key', out, wrong), code('IBT_KEY_WRONG'))
  await assert.rejects(verifyBackup('key', wrong), code('IBT_KEY_WRONG'))
  await assert.rejects(drillBackup('key', wrong), code('IBT_KEY_WRONG'))
  for (const run of [fullBackup, incrementalBackup, autoBackup]) {
    await assert.rejects(run(source, plain), code('IBT_NOT_ENCRYPTED'))
  }
  await assert.rejects(incrementalBackup(source, { ...plain, encrypt: writer }), code('IBT_KEY_MISSING'))
  const before = readdirSync(store)
  await assert.rejects(pruneBackups('key', { ...plain, keepLast: 1 }), code('IBT_KEY_MISSING'))
  assert.deepEqual(readdirSync(store), before)
  assert.equal(existsSync(out), false)
})

test('a full needs only recipients; a writer with the wrong identity is stopped before anything is stored', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  writeFileSync(join(chain.source, 'file'), 'first')
  await chain.full({ encrypt: writer })
  await chain.assertRestores(chain.reports[0]!.date, { codecs: [cipher] })
  const before = readdirSync(chain.storePath)
  const unfit = age({ recipients, identities: [stranger.identity] })
  await assert.rejects(chain.full({ encrypt: unfit }), {
    code: 'IBT_KEY_WRONG',
    message: 'None of the identities given opens what this run encrypts and has to read back'
  })
  await assert.rejects(
    chain.full({ encrypt: writer, codecs: [age({ identities: [stranger.identity] })] }),
    code('IBT_KEY_WRONG')
  )
  const broken: Cipher = { ...inverted(), open: (_, name) => inverted().open([Buffer.from('?')], name) }
  await assert.rejects(chain.full({ encrypt: broken }), code('IBT_CODEC_UNKNOWN'))
  await assert.rejects(chain.full({ encrypt: { ...holding(), opens: 'none' } }), code('IBT_CODEC_UNKNOWN'))
  await assert.rejects(chain.full({ encrypt: age({ identities: [host.identity] }) }), TypeError)
  assert.deepEqual(readdirSync(chain.storePath), before)
})

test('a cipher without ranges works for everything, from the start of each artifact', oracle('rsync'), async t => {
  const chain = await makeChain(t, { encrypt: inverted() })
  writeFileSync(join(chain.source, 'long'), createRandom(9).bytes(9_500_000))
  await chain.incremental()
  const options = of(chain, [inverted()])
  for (const { date } of chain.reports) await chain.assertRestores(date, options)
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
  const long = await bytesOf(catEntry('key', 'long', options))
  assert.ok(long.equals(createRandom(9).bytes(9_500_000)))
})

test('an archive under the name of another is noticed', async t => {
  const chain = await makeChain(t, { codec: none(), encrypt: cipher })
  const [first, second] = [
    chain.artifact('created', chain.reports[1]!.date),
    chain.artifact('created', chain.reports[2]!.date)
  ]
  const [a, b] = [readFileSync(first), readFileSync(second)]
  writeFileSync(first, b)
  writeFileSync(second, a)
  const options = of(chain, [cipher])
  const { problems } = await verifyBackup('key', { ...options, readData: true })
  assert.ok(problems.some(({ code }) => code === 'IBT_HASH_MISMATCH'))
  rmSync(second)
  const report = await restoreBackup('key', join(chain.base, 'out'), options).catch(error => error)
  assert.ok(report.code !== undefined || report.skippedEntries > 0)
  const [early, late] = [
    chain.artifact('state', chain.reports[0]!.date),
    chain.artifact('state', chain.reports[1]!.date)
  ]
  writeFileSync(late, readFileSync(early))
  await assert.rejects(
    restoreBackup('key', join(chain.base, 'out 2'), { ...options, at: chain.reports[1]!.date }),
    code('IBT_STATE_INVALID')
  )
})

test('a tar is imported encrypted, and a bundle of encrypted backups arrives', oracle('tar'), async t => {
  const chain = await makeChain(t, { encrypt: cipher })
  const options = of(chain, [cipher])
  const bundle: Uint8Array[] = []
  await exportBackups(
    'key',
    async source => {
      for await (const bytes of source) bundle.push(bytes)
    },
    { ...options, all: true }
  )
  const store = directoryStore(join(chain.base, 'arrived'))
  const { dates } = await importBackups(bundle, { store, cache: false, codecs: [cipher] })
  assert.equal(dates.length, 4)
  assert.deepEqual((await verifyBackup('key', { store, cache: false, codecs: [cipher], readData: true })).problems, [])
  const tar = execFileSync('tar', ['-C', chain.source, '--sort=name', '-cf', '-', '.'], { maxBuffer: 1 << 30 })
  const imported = await importTar([tar], {
    sort: 'spool',
    store,
    cache: false,
    key: 'old',
    at: '2020-01-01',
    encrypt: cipher
  })
  assert.ok(imported.files.every(({ name }) => name.endsWith('.zst.age')))
})

test('a restore that cannot read the backup makes no directory', async t => {
  const chain = await makeChain(t, { encrypt: writer, codecs: [cipher] })
  const destination = join(chain.base, 'new/deep')
  const options = { store: chain.storePath, cache: false } as const
  const wrong = age({ identities: [stranger.identity] })
  await assert.rejects(restoreBackup('key', destination, { ...options, codecs: [wrong] }), code('IBT_KEY_WRONG'))
  await assert.rejects(restoreBackup('key', destination, options), code('IBT_KEY_MISSING'))
  const { publicKey } = generateKeyPairSync('ed25519')
  await assert.rejects(
    restoreBackup('key', destination, { ...options, codecs: [cipher], verifyKeys: [publicKey] }),
    code('IBT_NOT_SIGNED')
  )
  assert.equal(existsSync(join(chain.base, 'new')), false)
  await restoreBackup('key', destination, { ...options, codecs: [cipher] })
  assert.equal(readFileSync(join(destination, 'new 0'), 'utf8'), 'new 0')
})
