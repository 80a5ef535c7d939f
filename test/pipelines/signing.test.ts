import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { decodeManifest, encodeManifest } from '../../src/format/manifest.js'
import {
  autoBackup,
  backupEntries,
  cleanBackups,
  copyBackups,
  eraseFiles,
  exportBackups,
  fullBackup,
  importBackups,
  incrementalBackup,
  listEntries,
  mergeBackups,
  pruneBackups,
  restoreBackup,
  signBackups,
  undeleteBackup,
  verifyBackup
} from '../../src/index.js'
import { directoryStore, wrapStore } from '../../src/stores/index.js'
import type { Source } from '../../src/types.js'
import { Desk } from '../helpers/desk.js'
import { assertSameTree, run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')

interface Signed {
  readonly desk: Desk
  /** Of the machine that makes backups. */
  readonly signs: { store: string; cache: string; signKey: KeyObject }
  /** Of another one. */
  readonly reads: { store: string; cache: string; verifyKeys: KeyObject[] }
  readonly backup: (content: string) => Promise<string>
}

async function makeSigned(t: TestContext): Promise<Signed> {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  const signs = { store: desk.at('store'), cache: desk.at('cache'), signKey: privateKey }
  const reads = { store: desk.at('store'), cache: desk.at('other-cache'), verifyKeys: [publicKey] }
  let isFirst = true
  const backup = async (content: string) => {
    writeFileSync(desk.at('src/file'), content.repeat(20_000))
    const { date } = await (isFirst ? fullBackup : incrementalBackup)(desk.at('src'), signs)
    isFirst = false
    return date
  }
  return { desk, signs, reads, backup }
}

const stored = (desk: Desk, part: string) => readdirSync(desk.at('store')).filter(name => name.includes(part))

/** Changes one byte of a stored file. */
function damage(path: string): void {
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(path, bytes)
}

test('signed backups are restored by whoever has the public key, after every change by the holder of the private one', async t => {
  const { desk, signs, reads, backup } = await makeSigned(t)
  const dates = [await backup('one '), await backup('two '), await backup('three ')]
  const check = async () => {
    const { problems } = await verifyBackup('src', { ...reads, readData: true })
    assert.deepEqual(problems, [])
    assert.equal(stored(desk, '.manifest.').length, 1, 'older manifests are deleted')
  }
  await check()
  await restoreBackup('src', desk.at('out'), reads)
  assertSameTree(desk.at('src'), desk.at('out'))
  await mergeBackups('src', { ...signs, at: dates[1] })
  await check()
  await pruneBackups('src', { ...signs, keepLast: 2 })
  await check()
  await undeleteBackup('src', { ...signs, at: dates[0]! })
  await check()
  await pruneBackups('src', { ...signs, keepLast: 1, graceMs: 0 })
  await cleanBackups('src', { ...signs, graceMs: 0 })
  await check()
  for await (const _ of listEntries('src', { ...reads, cache: false }));
})

test('merges that a prune and a backup begin are signed', async t => {
  const { desk, signs, reads, backup } = await makeSigned(t)
  const check = async () => assert.deepEqual((await verifyBackup('src', { ...reads, readData: true })).problems, [])
  writeFileSync(desk.at('src/stays'), Buffer.alloc(100_000, 7))
  for (const content of ['one ', 'two ', 'three ', 'four ']) await backup(content)
  await pruneBackups('src', { ...signs, keepLast: 1, merge: true })
  assert.equal(stored(desk, '.asof-').length > 0, true)
  await check()
  const merged = stored(desk, '.asof-').length
  await backup('five ')
  writeFileSync(desk.at('src/file'), 'six '.repeat(20_000))
  await autoBackup(desk.at('src'), { ...signs, maxChain: 1, merge: true, onError: error => assert.fail(error) })
  assert.equal(stored(desk, '.asof-').length > merged, true)
  await check()
})

test('what a merge has made superfluous may go without a signature, and need not be copied', async t => {
  const { desk, signs, reads, backup } = await makeSigned(t)
  const dates = [await backup('one '), await backup('two '), await backup('three ')]
  const check = async (store: string) =>
    assert.deepEqual((await verifyBackup('src', { ...reads, store, readData: true })).problems, [])
  const keyless = { store: desk.at('store'), cache: desk.at('copier-cache') }
  await mergeBackups('src', { ...signs, at: dates[1] })
  assert.equal((await copyBackups('src', { ...keyless, to: desk.at('copied') })).isSigned, true)
  await check(desk.at('copied'))
  const { deleted } = await cleanBackups('src', { ...keyless, graceMs: 0 })
  assert.ok(deleted.some(({ name }) => name.includes(`.state.${dates[1]}`)))
  await check(desk.at('store'))
  await backup('four ')
  await check(desk.at('store'))

  // The merged state itself, and those that were not merged, have to be there.
  for (const name of stored(desk, '.state.')) {
    cpSync(desk.at('store'), desk.at(name), { recursive: true })
    rmSync(desk.at(name, name))
    const dropped = restoreBackup('src', desk.at('out'), { ...reads, store: desk.at(name), cache: false })
    await assert.rejects(dropped, { code: 'IBT_ROLLED_BACK' })
  }
})

test('a removed state comes back with the key only as it was signed', async t => {
  const { desk, signs, backup } = await makeSigned(t)
  const [first] = [await backup('one '), await backup('two ')]
  await pruneBackups('src', { ...signs, keepLast: 1 })
  const unsigned = { ...signs, cache: false as const, signKey: undefined, unsigned: true }
  const { date } = await fullBackup(desk.at('src'), unsigned)
  const [planted] = stored(desk, `.state.${date}`)
  const copy = planted!.replace('.state.', '.removed.').replace('.json', '.at-20300101T000000.000Z.json')
  renameSync(desk.at('store', planted!), desk.at('store', copy))
  await assert.rejects(undeleteBackup('src', { ...signs, at: date }), { code: 'IBT_NOT_SIGNED' })
  const genuine = stored(desk, `.removed.${first}`)[0]!
  const bytes = readFileSync(desk.at('store', genuine))
  damage(desk.at('store', genuine))
  await assert.rejects(undeleteBackup('src', { ...signs, at: first }), { code: 'IBT_HASH_MISMATCH' })
  assert.equal(stored(desk, `.state.${first}`).length, 0)
  await assert.rejects(signBackups('src', signs), { code: 'IBT_HASH_MISMATCH' })
  writeFileSync(desk.at('store', genuine), bytes)
  rmSync(desk.at('store', copy))
  assert.equal((await signBackups('src', signs)).states, 1)
  await undeleteBackup('src', { ...signs, at: first })
})

test('the first backup of a key is signed also if its date is asked for', async t => {
  const { desk, signs, reads } = await makeSigned(t)
  await fullBackup(desk.at('src'), { ...signs, date: new Date('2019-03-01') })
  assert.deepEqual((await verifyBackup('src', { ...reads, readData: true })).problems, [])
})

test('what is copied with the key is signed in the other store', async t => {
  const { desk, signs, reads, backup } = await makeSigned(t)
  const copied = { ...reads, store: desk.at('copied'), readData: true }
  await backup('one ')
  await copyBackups('src', { ...signs, to: desk.at('copied') })
  await backup('two ')
  await copyBackups('src', { ...signs, to: desk.at('copied') })
  assert.deepEqual((await verifyBackup('src', copied)).problems, [])
  await copyBackups('src', { ...signs, signKey: undefined, unsigned: true, to: desk.at('unsigned') })
  await assert.rejects(copyBackups('src', { ...signs, to: desk.at('unsigned') }), { code: 'IBT_NOT_SIGNED' })
  await signBackups('src', { ...signs, store: desk.at('unsigned') })
  assert.deepEqual((await verifyBackup('src', { ...copied, store: desk.at('unsigned') })).problems, [])
  for (const wrong of [{ signKey: 'sign.pem' }, { verifyKeys: ['verify.pem'] }]) {
    await assert.rejects(
      verifyBackup('src', { ...copied, ...wrong }),
      /TypeError: (signKey|verifyKeys) .* text of a PEM file/
    )
  }
  await assert.rejects(signBackups('scr', signs), { code: 'IBT_NO_BACKUP' })
})

test('a copy of all signed backups is signed without the key, and never less than before', async t => {
  const { desk, signs, reads, backup } = await makeSigned(t)
  const keyless = { store: desk.at('store'), cache: desk.at('copier-cache'), to: desk.at('copied') }
  const check = async () => {
    const { problems } = await verifyBackup('src', { ...reads, store: desk.at('copied'), readData: true })
    assert.deepEqual(problems, [])
  }
  await backup('one ')
  assert.equal((await copyBackups('src', { ...keyless, verifyKeys: [publicKey] })).isSigned, true)
  await check()
  const dates = [await backup('two '), await backup('three ')]
  await copyBackups('src', keyless)
  await check()
  assert.equal(readdirSync(desk.at('copied')).filter(name => name.includes('.manifest.')).length, 1)
  const newest = stored(desk, '.manifest.')[0]!
  assert.deepEqual(readFileSync(desk.at('copied', newest)), readFileSync(desk.at('store', newest)))

  // A copy that was killed before the manifest came goes on with it.
  rmSync(desk.at('copied', newest))
  assert.equal((await copyBackups('src', { ...keyless, dryRun: true })).isSigned, true)
  assert.equal((await copyBackups('src', keyless)).artifacts, 0)
  await check()

  // Not all of them: the manifest would not be true.
  const some = await copyBackups('src', { ...keyless, to: desk.at('some'), at: dates[0]! })
  assert.equal(some.isSigned, false)
  assert.deepEqual(
    readdirSync(desk.at('some')).filter(name => name.includes('.manifest.')),
    []
  )

  // What the other store has signed alone stays signed.
  await pruneBackups('src', { ...signs, keepLast: 1, graceMs: 0 })
  await backup('four ')
  await assert.rejects(copyBackups('src', keyless), { code: 'IBT_SIGN_KEY_MISSING' })
  await check()
  await copyBackups('src', { ...keyless, cache: desk.at('cache'), signKey: privateKey })
  await check()
  const forger = generateKeyPairSync('ed25519')
  const other = { ...keyless, to: desk.at('other'), verifyKeys: [forger.publicKey] }
  await assert.rejects(copyBackups('src', other), { code: 'IBT_MANIFEST_INVALID' })
})

test('signed backups are not changed without the key, unless that is meant', async t => {
  const { desk, signs, reads, backup } = await makeSigned(t)
  const keyless = { store: desk.at('store'), cache: desk.at('keyless-cache') }
  const dates = [await backup('one '), await backup('two '), await backup('three ')]
  await pruneBackups('src', { ...signs, keepLast: 2 })
  const bundle: Uint8Array[] = []
  const gather = async (source: Source<Uint8Array>) => {
    for await (const chunk of source) bundle.push(Uint8Array.from(chunk))
  }
  await exportBackups('src', gather, keyless)
  const changes: Record<string, (options: { unsigned?: boolean }) => Promise<unknown>> = {
    full: options => fullBackup(desk.at('src'), { ...keyless, ...options }),
    incremental: options => incrementalBackup(desk.at('src'), { ...keyless, ...options }),
    'dry run': options => autoBackup(desk.at('src'), { ...keyless, ...options, dryRun: true }),
    import: options => importBackups(bundle, { ...keyless, ...options }),
    merge: options => mergeBackups('src', { ...keyless, ...options, at: dates[2] }),
    undelete: options => undeleteBackup('src', { ...keyless, ...options, at: dates[0]! }),
    erase: options => eraseFiles('src', ['file'], { ...keyless, ...options }),
    prune: options => pruneBackups('src', { ...keyless, ...options, keepLast: 1, graceMs: 0 })
  }
  const before = readdirSync(desk.at('store'))
  for (const [name, change] of Object.entries(changes)) {
    const refused = { code: 'IBT_SIGN_KEY_MISSING', message: /--sign-key.*--unsigned/ }
    await assert.rejects(change({}), refused, name)
    assert.deepEqual(readdirSync(desk.at('store')), before, name)
  }
  await mergeBackups('src', { ...keyless, at: dates[2], dryRun: true })
  await pruneBackups('src', { ...keyless, keepLast: 1, dryRun: true })
  for (const change of Object.values(changes)) await change({ unsigned: true })
  assert.notDeepEqual(await verifyBackup('src', reads).catch(({ code }) => code), 'IBT_SIGN_KEY_MISSING')
  await signBackups('src', { ...signs, accept: true })
  assert.deepEqual((await verifyBackup('src', { ...reads, readData: true })).problems, [])
})

test('a state or sigvault that is altered, exchanged or not signed is refused', async t => {
  const { desk, signs, reads, backup } = await makeSigned(t)
  await backup('one ')
  await backup('two ')
  const entries = async () => {
    for await (const _ of backupEntries('src', { ...reads, cache: false }));
  }
  await entries()
  cpSync(desk.at('store'), desk.at('saved'), { recursive: true })
  const [newest] = stored(desk, '.state.').slice(-1)
  damage(desk.at('store', newest!))
  await assert.rejects(entries(), { code: 'IBT_HASH_MISMATCH', path: newest })
  cpSync(desk.at('saved'), desk.at('store'), { recursive: true })
  damage(desk.at('store', stored(desk, '.sigvault.').at(-1)!))
  rmSync(desk.at('cache'), { recursive: true })
  writeFileSync(desk.at('src/file'), 'three '.repeat(20_000))
  // A false signature would make a delta that restores nothing: it counts as lost.
  const { largest } = await incrementalBackup(desk.at('src'), signs)
  assert.equal(largest[0]!.reason, 'signature-lost')

  cpSync(desk.at('saved'), desk.at('store'), { recursive: true })
  await incrementalBackup(desk.at('src'), { ...signs, signKey: undefined, unsigned: true })
  await assert.rejects(entries(), { code: 'IBT_NOT_SIGNED' })
  await assert.rejects(fullBackup(desk.at('src'), signs), { code: 'IBT_NOT_SIGNED' })
  const { added } = await signBackups('src', signs)
  assert.equal(added.length, 1)
  await entries()

  const other = generateKeyPairSync('ed25519')
  const wrong = { ...reads, verifyKeys: [other.publicKey] }
  await assert.rejects(restoreBackup('src', desk.at('out'), wrong), { code: 'IBT_MANIFEST_INVALID' })
})

test('a backup that is dropped, and a store that is set back, are noticed', async t => {
  const { desk, signs, reads, backup } = await makeSigned(t)
  await backup('one ')
  cpSync(desk.at('store'), desk.at('early'), { recursive: true })
  const second = await backup('two ')
  await verifyBackup('src', reads)
  const [state] = stored(desk, '.state.').slice(-1)
  cpSync(desk.at('store'), desk.at('saved'), { recursive: true })
  rmSync(desk.at('store', state!))
  const dropped = { code: 'IBT_ROLLED_BACK', message: new RegExp(second) }
  await assert.rejects(restoreBackup('src', desk.at('out'), { ...reads, cache: false }), dropped)
  await assert.rejects(fullBackup(desk.at('src'), signs), dropped)
  await assert.rejects(signBackups('src', signs), dropped)

  rmSync(desk.at('store'), { recursive: true })
  cpSync(desk.at('early'), desk.at('store'), { recursive: true })
  await assert.rejects(restoreBackup('src', desk.at('out'), reads), { code: 'IBT_ROLLED_BACK', message: /rolled back/ })
  await assert.rejects(incrementalBackup(desk.at('src'), signs), { code: 'IBT_ROLLED_BACK' })
  rmSync(desk.at('store', stored(desk, '.manifest.')[0]!))
  await assert.rejects(restoreBackup('src', desk.at('out'), reads), { code: 'IBT_ROLLED_BACK', message: /no manifest/ })
  // Without a memory, nobody can tell; the holder of the key may accept what is there.
  const { changed } = await signBackups('src', { ...signs, accept: true })
  assert.ok(changed.includes(state!))
  await backup('three ')
  await restoreBackup('src', desk.at('out'), reads)
})

test('other bytes at the second read are noticed, without holding a state in memory', async t => {
  const { desk, signs, reads } = await makeSigned(t)
  for (let i = 0; i < 3000; i++) writeFileSync(desk.at(`src/${i}`), String(i))
  await fullBackup(desk.at('src'), { ...signs, codec: undefined })
  const inner = directoryStore(desk.at('store'))
  const read = new Set<string>()
  const lying = wrapStore(inner, {
    async *get(name, range, options) {
      const isAgain = name.includes('.state.') && read.has(name)
      read.add(name)
      for await (const chunk of inner.get(name, range, options)) {
        if (isAgain) chunk[0]! ^= 1
        yield chunk
      }
    }
  })
  const lied = { ...reads, store: lying, cache: false as const }
  await assert.rejects(restoreBackup('src', desk.at('out'), lied), {
    code: 'IBT_HASH_MISMATCH',
    message: /other bytes/
  })
})

test('a crash at any call of the store leaves what the next signed run goes on with', async t => {
  const { desk, signs, reads, backup } = await makeSigned(t)
  await backup('one ')
  const inner = directoryStore(desk.at('store'))
  for (let k = 0; ; k++) {
    let calls = 0
    const dies = () => {
      if (calls++ >= k) throw new Error('killed')
    }
    const dying = wrapStore(inner, {
      async put(name, source, options) {
        if (!name.endsWith('.lock')) dies()
        await inner.put(name, source, options)
      },
      async delete(name, options) {
        if (!name.endsWith('.lock')) dies()
        await inner.delete(name, options)
      }
    })
    writeFileSync(desk.at('src/file'), `number ${k} `.repeat(20_000))
    const done = await incrementalBackup(desk.at('src'), { ...signs, store: dying }).then(
      () => true,
      () => false
    )
    const { problems } = await verifyBackup('src', { ...reads, readData: true })
    assert.deepEqual(problems, [], `killed at call ${k}`)
    writeFileSync(desk.at('src/file'), `after ${k} `.repeat(20_000))
    await incrementalBackup(desk.at('src'), signs)
    if (done) break
    assert.ok(k < 50)
  }
  assert.deepEqual((await verifyBackup('src', { ...reads, readData: true })).problems, [])
})

test('openssl checks a manifest, with keys that it made', oracle('openssl', 'jq'), t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  const ssl = (...args: string[]) => run('openssl', args)
  ssl('genpkey', '-algorithm', 'ed25519', '-aes256', '-pass', 'pass:secret', '-out', desk.at('sign.pem'))
  ssl('pkey', '-in', desk.at('sign.pem'), '-passin', 'pass:secret', '-pubout', '-out', desk.at('verify.pem'))
  desk.env.IBT_SIGN_PASSPHRASE = 'secret'
  const made = desk.ibt('backup', 'src', '--sign-key', 'sign.pem')
  assert.equal(made.status, 0, made.stderr)
  const [manifest] = stored(desk, '.manifest.')
  writeFileSync(desk.at('signed'), run('jq', ['-j', '.signed', desk.at('store', manifest!)]))
  const signature = String(run('jq', ['-r', '.signature', desk.at('store', manifest!)]))
  writeFileSync(desk.at('signature'), Buffer.from(signature, 'base64'))
  const files = ['-sigfile', desk.at('signature'), '-in', desk.at('signed')]
  ssl('pkeyutl', '-verify', '-pubin', '-inkey', desk.at('verify.pem'), '-rawin', ...files)
  const { artifacts } = JSON.parse(readFileSync(desk.at('signed'), 'utf8'))
  for (const { name, sha256 } of artifacts) {
    assert.ok(String(run('sha256sum', [desk.at('store', name)])).startsWith(sha256))
  }

  assert.equal(desk.ibt('restore', 'src', 'out', '--verify-key', 'verify.pem').status, 0)
  const forgotten = desk.ibt('backup', 'src')
  assert.equal(forgotten.status, 5)
  assert.match(forgotten.stderr, /are signed: give the key.*--sign-key.*IBT_SIGN_KEY_MISSING/s)
  assert.equal(desk.ibt('backup', 'src', '--sign-key', 'sign.pem', '--unsigned').status, 2)
  const copied = desk.ibt('copy', 'src', '--to', 'copied', '--json')
  assert.equal(copied.status, 0, copied.stderr)
  assert.equal(desk.ibt('verify', 'src', '--store', 'copied', '--verify-key', 'verify.pem').status, 0)
  desk.env.IBT_SIGN_KEY = 'sign.pem'
  const unsigned = desk.ibt('full', 'src', '--unsigned')
  assert.equal(unsigned.status, 0, unsigned.stderr)
  assert.equal(desk.ibt('verify', 'src', '--verify-key', 'verify.pem').status, 4)
  assert.equal(desk.ibt('sign', 'src').status, 0)
  delete desk.env.IBT_SIGN_KEY
  damage(desk.at('store', stored(desk, '.state.').at(-1)!))
  const refused = desk.ibt('verify', 'src', '--verify-key', 'verify.pem')
  assert.equal(refused.status, 4, refused.stderr)
  assert.equal(desk.ibt('backup', 'src', '--sign-key', 'nosuch.pem').status, 2)
  desk.env.IBT_SIGN_PASSPHRASE = 'other'
  for (const file of ['sign.pem', 'verify.pem']) {
    const { status, stderr } = desk.ibt('backup', 'src', '--sign-key', file)
    assert.equal(status, 2)
    assert.match(stderr, /is not a private key in PEM, or IBT_SIGN_PASSPHRASE/)
  }
})

test('no bytes but those of a signer are a manifest', () => {
  const manifest = {
    ...{ key: 'key', date: '20260101T000000.000Z', sequence: 1 },
    artifacts: [{ name: 'key.state.20260101T000000.000Z.json', sizeBytes: 1, sha256: '0'.repeat(64) }]
  }
  const bytes = encodeManifest(manifest, privateKey)
  assert.deepEqual(decodeManifest(bytes, 'name', 'key', [publicKey]), manifest)
  assert.throws(() => decodeManifest(bytes, 'name', 'other', [publicKey]), { code: 'IBT_MANIFEST_INVALID' })
  assert.throws(() => decodeManifest(bytes, 'name', 'key', []), { code: 'IBT_MANIFEST_INVALID' })
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const other = Buffer.from(bytes)
      other[at]! ^= flip
      try {
        assert.deepEqual(decodeManifest(other, 'name', 'key', [publicKey]), manifest)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'IBT_MANIFEST_INVALID')
      }
    })
  )
  fc.assert(
    fc.property(fc.uint8Array(), bytes => {
      assert.throws(() => decodeManifest(Buffer.from(bytes), 'name', 'key', [publicKey]), {
        code: 'IBT_MANIFEST_INVALID'
      })
    })
  )
})
