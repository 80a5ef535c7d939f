import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { asBuffer } from '../format/byte-reader.js'

/** Source: age-encryption.org/v1, "Header". */
export const VERSION_LINE = Buffer.from('age-encryption.org/v1\n')
/** Bytes of a section's body on one line. The last line of a body is shorter, be it empty. */
const LINE_BYTES = 48
const MAC_BYTES = 32
const TAG_BYTES = 16
const ALGORITHM = 'chacha20-poly1305'
export const FILE_KEY_BYTES = 16

/** A section of an age header. */
export interface Stanza {
  readonly args: string[]
  readonly body: Uint8Array
}

/** A header, and the file key in it. */
export interface SealedKey {
  readonly header: Uint8Array
  readonly fileKey: Uint8Array
}

/** Takes the file key out of a header; null if it is for somebody else. @throws Error for a header that no writer makes */
export type Opener = (stanzas: Stanza[], header: Uint8Array) => Promise<Uint8Array | null>

/** A header of sections, with its MAC. */
export function encodeHeader(stanzas: readonly Stanza[], fileKey: Uint8Array): Buffer {
  const withoutMac = `${VERSION_LINE}${stanzas.map(encodeStanza).join('')}---`
  return Buffer.from(`${withoutMac} ${encodeBase64(macOf(withoutMac, fileKey))}\n`)
}

/** The sections of a header whose first and last line are there. @throws Error for what no writer makes */
export function decodeHeader(header: Uint8Array): Stanza[] {
  const lines = asBuffer(header).toString('latin1').split('\n').slice(1, -2)
  const stanzas: Stanza[] = []
  for (let at = 0; at < lines.length; ) {
    const [mark, ...args] = lines[at++]!.split(' ')
    if (mark !== '->' || args.length === 0 || !args.every(arg => /^[!-~]+$/.test(arg)))
      throw new Error('a section without a first line')
    const body: Uint8Array[] = []
    do {
      body.push(decodeBase64(lines[at++] ?? '-'))
      if (body.at(-1)!.length > LINE_BYTES) throw new Error('a line that is too long')
    } while (body.at(-1)!.length === LINE_BYTES)
    stanzas.push({ args, body: Buffer.concat(body) })
  }
  if (stanzas.length === 0) throw new Error('no section')
  return stanzas
}

/** @throws Error if a header was changed by somebody who does not have its file key */
export function checkMac(header: Uint8Array, fileKey: Uint8Array): void {
  const text = asBuffer(header).toString('latin1')
  const end = text.lastIndexOf('\n--- ') + '\n---'.length
  const mac = decodeBase64(text.slice(end + 1, -1))
  if (mac.length !== MAC_BYTES || !timingSafeEqual(mac, macOf(text.slice(0, end), fileKey)))
    throw new Error('its MAC is that of another header')
}

/** A file key as the body of a section. The key is used once. */
export function sealFileKey(fileKey: Uint8Array, key: Uint8Array): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, Buffer.alloc(12), { authTagLength: TAG_BYTES })
  return Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()])
}

/** The file key in the body of a section; null if it was sealed with another key. @throws Error for a body of another size */
export function openFileKey(body: Uint8Array, key: Uint8Array): Uint8Array | null {
  if (body.length !== FILE_KEY_BYTES + TAG_BYTES) throw new Error('a section without a file key')
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

/** Base64 as in headers of age: without padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64').replace(/=+$/, '')
}

/** @throws Error for what `encodeBase64` does not make */
export function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (encodeBase64(bytes) !== text) throw new Error('a line that is not Base64')
  return bytes
}

function encodeStanza({ args, body }: Stanza): string {
  let text = `-> ${args.join(' ')}\n`
  for (let at = 0; at <= body.length; at += LINE_BYTES) text += `${encodeBase64(body.subarray(at, at + LINE_BYTES))}\n`
  return text
}

function macOf(withoutMac: string, fileKey: Uint8Array): Buffer {
  const key = new Uint8Array(hkdfSync('sha256', fileKey, new Uint8Array(0), 'header', MAC_BYTES))
  return createHmac('sha256', key).update(withoutMac, 'latin1').digest()
}
