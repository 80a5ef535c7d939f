import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { age } from '../../src/age/index.js'
import type { Cipher } from '../../src/types.js'
import { someBytes } from '../codec/archives.js'
import { bytesOf, code } from '../helpers/entries.js'
import { makeKeyPair } from '../helpers/keys.js'

/** What makes keys of a kind that is safe from quantum computers, and judges files of ours. */
interface AgePackage {
  generateHybridIdentity(): Promise<string>
  identityToRecipient(identity: string): Promise<string>
  readonly Encrypter: new () => {
    addRecipient(recipient: string): void
    setPassphrase(passphrase: string): void
    setScryptWorkFactor(logN: number): void
    encrypt(file: Uint8Array): Promise<Uint8Array>
  }
  readonly Decrypter: new () => {
    addIdentity(identity: string): void
    addPassphrase(passphrase: string): void
    decrypt(file: Uint8Array): Promise<Uint8Array>
  }
}

test('recipients and identities of several kinds are written to and read by, also with a passphrase among them', async () => {
  const keys = (await import('age-encryption' as string)) as AgePackage
  const host = await makeKeyPair()
  const bytes = someBytes(100_000)
  const seal = (by: Cipher) => bytesOf(by.seal([bytes], {}))
  const open = (by: Cipher, stored: Uint8Array) => bytesOf(by.open([stored], 'name'))
  const opens = async (by: Cipher, stored: Uint8Array) => assert.ok((await open(by, stored)).equals(bytes))
  const identity = await keys.generateHybridIdentity()
  const recipient = await keys.identityToRecipient(identity)
  const stored = await seal(age({ recipients: [recipient] }))
  await opens(age({ identities: [host.identity, identity] }), stored)
  await opens(age({ identities: [identity], passphrase: 'x' }), stored)
  await assert.rejects(open(age({ identities: [host.identity] }), stored), code('IBT_KEY_WRONG'))
  const other = await keys.generateHybridIdentity()
  await assert.rejects(open(age({ identities: [other, host.identity] }), stored), code('IBT_KEY_WRONG'))
  await opens(age({ identities: [identity, host.identity] }), await seal(age({ recipients: [host.recipient] })))
  const secret = age({ passphrase: 'x', scryptLogN: 10 })
  await opens(age({ identities: [identity], passphrase: 'x' }), await seal(secret))
  await opens(age({ identities: [host.identity], passphrase: 'x' }), await seal(secret))
})

test('headers of ours are those of the package age-encryption, both ways', async () => {
  const { Encrypter, Decrypter } = (await import('age-encryption' as string)) as AgePackage
  const pairs = [await makeKeyPair(), await makeKeyPair()]
  const bytes = someBytes(100_000)
  const stored = await bytesOf(age({ recipients: pairs.map(({ recipient }) => recipient) }).seal([bytes], {}))
  const byPackage = new Encrypter()
  for (const { recipient } of pairs) byPackage.addRecipient(recipient)
  const foreign = await byPackage.encrypt(bytes)
  for (const { identity } of pairs) {
    const decrypter = new Decrypter()
    decrypter.addIdentity(identity)
    assert.ok(Buffer.from(await decrypter.decrypt(stored)).equals(bytes))
    assert.ok((await bytesOf(age({ identities: [identity] }).open([foreign], 'name'))).equals(bytes))
  }
  const secret = age({ passphrase: 'x', scryptLogN: 10 })
  const decrypter = new Decrypter()
  decrypter.addPassphrase('x')
  assert.ok(Buffer.from(await decrypter.decrypt(await bytesOf(secret.seal([bytes], {})))).equals(bytes))
  const encrypter = new Encrypter()
  encrypter.setPassphrase('x')
  encrypter.setScryptWorkFactor(10)
  assert.ok((await bytesOf(secret.open([await encrypter.encrypt(bytes)], 'name'))).equals(bytes))
})

test('keys of age-keygen and passphrases need no package, keys of other kinds do', async () => {
  const { generateHybridIdentity, identityToRecipient } = (await import('age-encryption' as string)) as AgePackage
  const { identity, recipient } = await makeKeyPair()
  const other = await identityToRecipient(await generateHybridIdentity())
  const hook = `export async function resolve (name, context, next) {
    if (name !== 'age-encryption') return next(name, context)
    throw Object.assign(new Error("Cannot find package 'age-encryption'"), { code: 'ERR_MODULE_NOT_FOUND' })
  }`
  const script = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}))
    const { age } = await import(${JSON.stringify(new URL('../../src/age/index.js', import.meta.url).href)})
    const joined = async parts => { const all = []; for await (const part of parts) all.push(part); return Buffer.concat(all) }
    for (const keys of [{ recipients: ['${recipient}'], identities: ['${identity}'] }, { passphrase: 'x', scryptLogN: 10 }]) {
      const cipher = age(keys)
      const stored = await joined(cipher.seal([Buffer.from('content')], {}))
      console.log(String(await joined(cipher.open([stored], 'name'))))
    }
    await joined(age({ recipients: ['${other}'] }).seal([], {})).catch(error => console.log(error.code))
  `
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.equal(stdout, 'content\ncontent\nIBT_PEER_MISSING\n', stderr)
})

test('a key whose text is damaged is refused, and the message does not show a secret', async () => {
  const { identity, recipient } = await makeKeyPair()
  const changed = (text: string) =>
    text.slice(0, -1) + (/q$/i.test(text) ? (text < 'a' ? 'P' : 'p') : text < 'a' ? 'Q' : 'q')
  assert.ok(age({ recipients: [recipient], identities: [identity] }))
  for (const text of [changed(recipient), recipient.slice(0, -1), recipient.slice(0, 12)]) {
    const sealing = bytesOf(age({ recipients: [text] }).seal([], {}))
    await assert.rejects(sealing, { name: 'RangeError', message: /is not a recipient of age/ })
  }
  const stored = await bytesOf(age({ recipients: [recipient] }).seal([], {}))
  for (const text of [changed(identity), identity.slice(0, -1), identity.slice(0, 24)]) {
    const opening = bytesOf(age({ identities: [text] }).open([stored], 'name'))
    const message = 'Identity 1 is not one of age: its text is damaged'
    await assert.rejects(opening, { name: 'RangeError', message })
  }
})
