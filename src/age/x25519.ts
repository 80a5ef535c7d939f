import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject
} from 'node:crypto'
import type { Stanza } from './age-package.js'
import { decodeBech32 } from './bech32.js'
import { decodeBase64, encodeBase64 } from './sections.js'
import { unwrapKey, wrapKey } from './wrapped-key.js'

const TYPE = 'X25519'
const LABEL = 'age-encryption.org/v1/X25519'
const KEY_BYTES = 32
/** What stands before the 32 bytes of a key in DER. Source: RFC 8410. */
const PUBLIC_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')
const SECRET_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** A key that age-keygen made. */
export interface SecretKey {
  readonly secret: KeyObject
  /** The bytes of its recipient. */
  readonly recipient: Uint8Array
}

/** The bytes of a recipient, `age1…`; undefined for one of another kind. @throws RangeError for one that is damaged */
export function readRecipient(text: string): Uint8Array | undefined {
  if (!/^age1[^1]*$/.test(text)) return undefined
  const bytes = decodeBech32(text, 'age')
  if (bytes?.length !== KEY_BYTES) throw new RangeError(`'${text}' is not a recipient of age`)
  return bytes
}

/**
 * An identity, `AGE-SECRET-KEY-1…`; undefined for one of another kind. `where`: what the message says instead of it.
 * @throws RangeError for one that is damaged
 */
export function readIdentity(text: string, where: string): SecretKey | undefined {
  if (!/^AGE-SECRET-KEY-1[^1]*$/.test(text)) return undefined
  const bytes = decodeBech32(text, 'age-secret-key-')
  if (bytes?.length !== KEY_BYTES) throw damagedIdentity(where)
  const secret = createPrivateKey({ key: Buffer.concat([SECRET_PREFIX, bytes]), format: 'der', type: 'pkcs8' })
  return { secret, recipient: rawOf(createPublicKey(secret)) }
}

/** Shows nothing of the secret. */
export function damagedIdentity(where: string): RangeError {
  return new RangeError(`${where} is not one of age: its text is damaged`)
}

/**
 * The section of a header that gives the file key to a recipient. By `node:crypto`: to load the package for it takes longer
 * than to encrypt 250 MiB.
 * Source: age-encryption.org/v1, "The X25519 recipient type".
 */
export function wrapByRecipient(fileKey: Uint8Array, recipient: Uint8Array): Stanza {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  const share = rawOf(publicKey)
  const key = derive(privateKey, recipient, Buffer.concat([share, recipient]))
  return { args: [TYPE, encodeBase64(share)], body: wrapKey(fileKey, key) }
}

/** The file key; null if no section is for one of the keys. @throws Error for a section that no writer makes */
export function unwrapByIdentity(stanzas: readonly Stanza[], keys: readonly SecretKey[]): Uint8Array | null {
  for (const { args, body } of stanzas) {
    if (args[0] !== TYPE) continue
    const share = decodeBase64(args[1] ?? '')
    if (args.length !== 2 || share.length !== KEY_BYTES) throw new Error('a section for a key that is damaged')
    for (const { secret, recipient } of keys) {
      const fileKey = unwrapKey(body, derive(secret, share, Buffer.concat([share, recipient])))
      if (fileKey !== null) return fileKey
    }
  }
  return null
}

/** @throws Error for a public key with which every secret is the same */
function derive(privateKey: KeyObject, publicKey: Uint8Array, salt: Uint8Array): Uint8Array {
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, publicKey]), format: 'der', type: 'spki' })
  return new Uint8Array(hkdfSync('sha256', diffieHellman({ privateKey, publicKey: key }), salt, LABEL, 32))
}

function rawOf(key: KeyObject): Uint8Array {
  return key.export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES)
}
