import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { age } from '../../src/age/index.js'
import { decodeHeader, encodeBase64, encodeHeader, type Stanza } from '../../src/age/stanzas.js'
import { unwrapByX25519, wrapByX25519, x25519Identity, x25519Recipient } from '../../src/age/x25519.js'
import type { Cipher } from '../../src/types.js'
import { someBytes } from '../codec/archives.js'
import { bytesOf, code } from '../helpers/entries.js'
import { makeKeyPair } from '../helpers/keys.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

/** The package as a judge. */
interface AgePackage {
  readonly Encrypter: new () => { addRecipient(to: string): void; encrypt(file: Uint8Array): Promise<Uint8Array> }
  readonly Decrypter: new () => { addIdentity(by: string): void; decrypt(file: Uint8Array): Promise<Uint8Array> }
  generateHybridIdentity(): Promise<string>
  identityToRecipient(identity: string): Promise<string>
}

const { Encrypter, Decrypter, ...keys } = (await import('age-encryption' as string)) as AgePackage
const [host, recovery, stranger] = [await makeKeyPair(), await makeKeyPair(), await makeKeyPair()]
const bytes = someBytes(100_000)
const seal = (by: Cipher) => bytesOf(by.seal([bytes], {}))
const open = (by: Cipher, stored: Uint8Array) => bytesOf(by.open([stored], 'name'))
const opens = async (by: Cipher, stored: Uint8Array) => assert.ok((await open(by, stored)).equals(bytes))

test('the package age-encryption reads headers that are made here, and the other way round', async () => {
  const sealed = await seal(age({ recipients: [host.recipient, recovery.recipient] }))
  const encrypter = new Encrypter()
  for (const { recipient } of [host, recovery]) encrypter.addRecipient(recipient)
  const bySeal = Buffer.from(await encrypter.encrypt(bytes))
  for (const { identity } of [host, recovery]) {
    const decrypter = new Decrypter()
    decrypter.addIdentity(identity)
    assert.ok(Buffer.from(await decrypter.decrypt(sealed)).equals(bytes))
    await opens(age({ identities: [stranger.identity, identity] }), bySeal)
  }
})

test('recipients and identities of other kinds go through the package, also among keys of age-keygen', async () => {
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

test('keys of age-keygen and passphrases need no package', () => {
  const program = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(
      "export function resolve(name, context, next) { if (name === 'age-encryption') throw new Error('loaded'); return next(name, context) }"
    ))
    const { age } = await import('${new URL('../../src/age/index.js', import.meta.url)}')
    for (const cipher of [
      age({ recipients: ['${host.recipient}'], identities: ['${host.identity}'] }),
      age({ passphrase: 'x', scryptLogN: 10 })
    ]) {
      const stored = []
      for await (const part of cipher.seal([Buffer.from('content')], {})) stored.push(part)
      for await (const part of cipher.open(stored, 'name')) process.stdout.write(part)
    }`
  const stdout = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.equal(stdout, 'contentcontent')
})

test(
  "keys of Debian's age-keygen fit each other, and a letter that was changed is noticed",
  oracle('age-keygen'),
  () => {
    const random = createRandom(1)
    for (let round = 0; round < 20; round++) {
      const made = execFileSync('age-keygen', { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      const [, recipient] = /# public key: (.*)/.exec(made)!
      const [identity] = /^AGE.*$/m.exec(made)!
      const fileKey = random.bytes(16)
      const stanza = wrapByX25519(fileKey, x25519Recipient(recipient!)!)
      const own = [x25519Identity(identity, 'It')!]
      assert.ok(fileKey.equals(Buffer.from(unwrapByX25519([stanza], own)!)))
      const at = 5 + random.int(57)
      const changed = `${recipient!.slice(0, at)}${recipient![at] === 'q' ? 'p' : 'q'}${recipient!.slice(at + 1)}`
      assert.throws(() => x25519Recipient(changed), { name: 'RangeError', message: /is not a recipient of age/ })
      const secret = `${identity.slice(0, at + 12)}${identity[at + 12] === 'Q' ? 'P' : 'Q'}${identity.slice(at + 13)}`
      assert.throws(() => x25519Identity(secret, 'It'), { message: 'It is not one of age: its text is damaged' })
    }
  }
)

test('a header is read as it is written, with bodies of every length, and is damaged if it is written otherwise', async () => {
  const stanzas: Stanza[] = [0, 1, 47, 48, 49, 95, 96, 97].map(length => ({
    args: ['kind', 'of.another/one~!'],
    body: someBytes(length)
  }))
  const made = encodeHeader(stanzas, someBytes(16))
  assert.deepEqual(
    decodeHeader(made).map(({ args, body }) => ({ args, body: Buffer.from(body) })),
    stanzas
  )
  const stored = await seal(age({ recipients: [host.recipient] }))
  const text = stored.toString('latin1')
  const [, share, body] = /-> X25519 (\S+)\n(\S+)\n/.exec(text)!
  const lowOrder = encodeBase64(Buffer.alloc(32))
  const damages: Record<string, string> = {
    'a share with one more argument': text.replace(share!, `${share} more`),
    'no share': text.replace(` ${share}`, ''),
    'two spaces': text.replace(` ${share}`, `  ${share}`),
    'a share that is too short': text.replace(share!, share!.slice(4)),
    'a share that has the same secret with everybody': text.replace(share!, lowOrder),
    'padded Base64': text.replace(body!, `${body}=`),
    'Base64 with bits that nobody needs': text.replace(body!, `${body!.slice(0, -1)}/`),
    'a body that is too short': text.replace(body!, body!.slice(4)),
    'a body of two lines': text.replace(body!, `${body}\n${body}`),
    'a line that is too long': text.replace(body!, `${body}${body}`),
    'a carriage return': text.replace(`${share}\n`, `${share}\r\n`),
    'no section': text.replace(/-> [^-]*--- /, '--- '),
    'a section without a body': text.replace('--- ', '-> more\n--- '),
    'one more section': text.replace('--- ', '-> more\n\n--- '),
    'a MAC with one more argument': text.replace(/--- \S+/, '$& more')
  }
  for (const [title, damaged] of Object.entries(damages)) {
    assert.notEqual(damaged, text, title)
    const reading = open(age({ identities: [host.identity] }), Buffer.from(damaged, 'latin1'))
    await assert.rejects(reading, error => code('IBT_ARCHIVE_CORRUPT')(error) && /header/.test(String(error)), title)
  }
})
