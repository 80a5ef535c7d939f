import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { asBuffer } from '../format/byte-reader.js'
import type { Stanza } from './age-package.js'

const VERSION = 'age-encryption.org/v1'
/** Bytes of a line of a section's body: 64 letters of base64. The last line is shorter, and may be empty. */
const LINE_BYTES = 48

/** What a header says. */
export interface Sections {
  readonly stanzas: readonly Stanza[]
  /** Whether the header was written by who knew the file key, and is as it was. */
  isOf(fileKey: Uint8Array): boolean
}

/** The text of a header. Source: age-encryption.org/v1, "Header". */
export function encodeSections(stanzas: readonly Stanza[], fileKey: Uint8Array): Buffer {
  const lines = [VERSION]
  for (const { args, body } of stanzas) {
    lines.push(`-> ${args.join(' ')}`)
    for (let at = 0; at <= body.length; at += LINE_BYTES) lines.push(encodeBase64(body.subarray(at, at + LINE_BYTES)))
  }
  const start = `${lines.join('\n')}\n---`
  return Buffer.from(`${start} ${encodeBase64(macOf(fileKey, start))}\n`)
}

/** @throws Error for what is no header */
export function decodeSections(header: Uint8Array): Sections {
  const text = asBuffer(header).toString('latin1')
  const lines = text.split('\n')
  if (lines.shift() !== VERSION) throw new Error('another version')
  const stanzas: Stanza[] = []
  while (lines[0]?.startsWith('-> ')) {
    const args = lines.shift()!.slice(3).split(' ')
    if (args.includes('')) throw new Error('a section without a name')
    stanzas.push({ args, body: takeBody(lines) })
  }
  if (stanzas.length === 0) throw new Error('no section')
  const [end = '', nothing, ...more] = lines
  if (!end.startsWith('--- ') || nothing !== '' || more.length > 0) throw new Error('a line that is of no section')
  const mac = decodeBase64(end.slice(4))
  const start = text.slice(0, text.length - end.length - 1 + 3)
  return {
    stanzas,
    isOf(fileKey) {
      const expected = macOf(fileKey, start)
      return mac.length === expected.length && timingSafeEqual(mac, expected)
    }
  }
}

function takeBody(lines: string[]): Uint8Array {
  const parts: Uint8Array[] = []
  do {
    const line = lines.shift()
    if (line === undefined) throw new Error('a section without an end')
    const part = decodeBase64(line)
    if (part.length > LINE_BYTES) throw new Error('a line that is too long')
    parts.push(part)
  } while (parts.at(-1)!.length === LINE_BYTES)
  return Buffer.concat(parts)
}

function macOf(fileKey: Uint8Array, start: string): Buffer {
  const key = new Uint8Array(hkdfSync('sha256', fileKey, new Uint8Array(0), 'header', 32))
  return createHmac('sha256', key).update(start, 'latin1').digest()
}

/** Without padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64').replace(/=+$/, '')
}

/** @throws Error for any other text than `encodeBase64` gives */
export function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (encodeBase64(bytes) !== text) throw new Error('text that is not base64')
  return bytes
}
