import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import type { Stanza } from './age-package.js'

/** scrypt's cost for what is encrypted, as a power of two: that of `age -p`. It takes 256 MiB and about a second. */
export const SCRYPT_LOG_N = 18
/** The highest cost that is read: 1 GiB. */
const SCRYPT_LOG_N_MAX = 20
const LABEL = Buffer.from('age-encryption.org/v1/scrypt')
const ALGORITHM = 'chacha20-poly1305'
const SALT_BYTES = 16
const FILE_KEY_BYTES = 16
const TAG_BYTES = 16

/** Turns of scrypt: two at a time would take twice the memory. */
let turn: Promise<unknown> = Promise.resolve()

/**
 * The section of a header that gives the file key to whoever knows the passphrase. Off the main thread, by Node's scrypt;
 * one at a time.
 * Source: age-encryption.org/v1, "The scrypt recipient type".
 */
export async function wrapByPassphrase(fileKey: Uint8Array, passphrase: string, logN: number): Promise<Stanza> {
  const salt = randomBytes(SALT_BYTES)
  const key = await derive(passphrase, salt, logN)
  const cipher = createCipheriv(ALGORITHM, key, Buffer.alloc(12), { authTagLength: TAG_BYTES })
  const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()])
  return { args: ['scrypt', salt.toString('base64').replace(/=+$/, ''), String(logN)], body }
}

/** The file key; null if no section is for a passphrase, or this one is wrong. @throws Error for a section that no writer makes */
export async function unwrapByPassphrase(stanzas: readonly Stanza[], passphrase: string): Promise<Uint8Array | null> {
  const stanza = stanzas.find(({ args }) => args[0] === 'scrypt')
  if (stanza === undefined) return null
  if (stanzas.length !== 1) throw new Error('a passphrase among other recipients')
  const { args, body } = stanza
  const salt = Buffer.from(args[1] ?? '', 'base64')
  const logN = Number(args[2])
  if (args.length !== 3 || salt.length !== SALT_BYTES || body.length !== FILE_KEY_BYTES + TAG_BYTES)
    throw new Error('a section for a passphrase that is damaged')
  if (!/^[1-9]\d?$/.test(args[2]!) || logN > SCRYPT_LOG_N_MAX)
    throw new Error(`a work factor of ${args[2]}, more than ${SCRYPT_LOG_N_MAX}`)
  const key = await derive(passphrase, salt, logN)
  const decipher = createDecipheriv(ALGORITHM, key, Buffer.alloc(12), { authTagLength: TAG_BYTES })
  decipher.setAuthTag(body.subarray(FILE_KEY_BYTES))
  const fileKey = decipher.update(body.subarray(0, FILE_KEY_BYTES))
  try {
    decipher.final()
    return fileKey
  } catch {
    return null
  }
}

function derive(passphrase: string, salt: Uint8Array, logN: number): Promise<Buffer> {
  const N = 2 ** logN
  const maxmem = 128 * 8 * (N + 64)
  const derived = turn.then(
    () =>
      new Promise<Buffer>((resolve, reject) => {
        scrypt(passphrase, Buffer.concat([LABEL, salt]), 32, { N, r: 8, p: 1, maxmem }, (error, key) =>
          error === null ? resolve(key) : reject(error)
        )
      })
  )
  turn = derived.catch(() => {})
  return derived
}
