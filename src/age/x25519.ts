import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject
} from 'node:crypto'
import { decodeBech32 } from './bech32.js'
import { decodeBase64, encodeBase64, openFileKey, type Stanza, sealFileKey } from './stanzas.js'

const TYPE = 'X25519'
const LABEL = 'age-encryption.org/v1/X25519'
const KEY_BYTES = 32
/** What comes before the 32 bytes of a secret key in PKCS #8. Source: RFC 8410. */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** Keys of age-keygen: a prefix and 58 digits. Other kinds have longer ones, or a `1` among them. */
const RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/
const IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/

/** A public key that is written to. */
export interface X25519Recipient {
  readonly bytes: Uint8Array
  readonly key: KeyObject
}

/** A secret key, and its public half. */
export interface X25519Identity {
  readonly key: KeyObject
  readonly publicBytes: Uint8Array
}

/** Undefined for a recipient of another kind. @throws RangeError for one whose text is damaged */
export function x25519Recipient(text: string): X25519Recipient | undefined {
  if (!RECIPIENT.test(text)) return undefined
  const bytes = decodeBech32('age', text)
  if (bytes?.length !== KEY_BYTES) throw new RangeError(`'${text}' is not a recipient of age: its text is damaged`)
  return { bytes, key: publicKey(bytes) }
}

/** Undefined for an identity of another kind. `what` is shown instead of it. @throws RangeError for one whose text is damaged */
export function x25519Identity(text: string, what: string): X25519Identity | undefined {
  if (!IDENTITY.test(text)) return undefined
  const bytes = decodeBech32('age-secret-key-', text.toLowerCase())
  if (bytes?.length !== KEY_BYTES) throw new RangeError(`${what} is not one of age: its text is damaged`)
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, bytes]), format: 'der', type: 'pkcs8' })
  return { key, publicBytes: bytesOf(createPublicKey(key)) }
}

/**
 * The section of a header that gives the file key to the owner of a public key.
 * Source: age-encryption.org/v1, "The X25519 recipient type".
 *
 * @throws Error of `node:crypto` for a public key that has the same secret with everybody
 */
export function wrapByX25519(fileKey: Uint8Array, recipient: X25519Recipient): Stanza {
  const ephemeral = generateKeyPairSync('x25519')
  const share = bytesOf(ephemeral.publicKey)
  const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient.key })
  return { args: [TYPE, encodeBase64(share)], body: sealFileKey(fileKey, wrapKey(secret, share, recipient.bytes)) }
}

/** The file key; null if no section is for one of these identities. @throws Error for a section that no writer makes */
export function unwrapByX25519(stanzas: readonly Stanza[], identities: readonly X25519Identity[]): Uint8Array | null {
  for (const { args, body } of stanzas.filter(({ args }) => args[0] === TYPE)) {
    const share = decodeBase64(args[1] ?? '')
    if (args.length !== 2 || share.length !== KEY_BYTES) throw new Error('a section for a key that is damaged')
    for (const { key, publicBytes } of identities) {
      const secret = diffieHellman({ privateKey: key, publicKey: publicKey(share) })
      const fileKey = openFileKey(body, wrapKey(secret, share, publicBytes))
      if (fileKey !== null) return fileKey
    }
  }
  return null
}

function wrapKey(secret: Uint8Array, share: Uint8Array, recipient: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, Buffer.concat([share, recipient]), LABEL, KEY_BYTES))
}

function publicKey(bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
}

function bytesOf(key: KeyObject): Uint8Array {
  return Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url')
}
