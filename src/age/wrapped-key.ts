import { createCipheriv, createDecipheriv } from 'node:crypto'

export const FILE_KEY_BYTES = 16
/** The wrapping key is used once: its nonce is zero. */
const NONCE = Buffer.alloc(12)
const TAG_BYTES = 16
const ALGORITHM = 'chacha20-poly1305'

/** The body of a section: a file key, encrypted. Source: age-encryption.org/v1, of both X25519 and scrypt. */
export function wrapKey(fileKey: Uint8Array, key: Uint8Array): Uint8Array {
  const cipher = createCipheriv(ALGORITHM, key, NONCE, { authTagLength: TAG_BYTES })
  return Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()])
}

/** The file key in the body of a section; null if it was encrypted with another key. @throws Error for another length */
export function unwrapKey(body: Uint8Array, key: Uint8Array): Uint8Array | null {
  if (body.length !== FILE_KEY_BYTES + TAG_BYTES) throw new Error('a section that holds no file key')
  const decipher = createDecipheriv(ALGORITHM, key, NONCE, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(body.subarray(FILE_KEY_BYTES))
  const fileKey = decipher.update(body.subarray(0, FILE_KEY_BYTES))
  try {
    decipher.final()
    return fileKey
  } catch {
    return null
  }
}
