import assert from 'node:assert/strict'
import { test } from 'node:test'
import { age } from '../../src/age/index.js'
import type { Cipher } from '../../src/types.js'
import { someBytes } from '../codec/archives.js'
import { bytesOf, code } from '../helpers/entries.js'
import { makeKeyPair } from '../helpers/keys.js'

/** What makes keys of a kind that is safe from quantum computers. */
interface AgePackage {
  generateHybridIdentity(): Promise<string>
  identityToRecipient(identity: string): Promise<string>
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
