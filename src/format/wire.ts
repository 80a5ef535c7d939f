import { BackupError } from '../errors.js'
import type { Chunk, Counted, Kind, Sealed, Source, Totals } from '../types.js'
import { asBuffer, ByteReader } from './byte-reader.js'
import { parseArtifactName } from './names.js'

/** First bytes of the stream. The version follows them. */
const MAGIC = Buffer.from('ibt-wire', 'latin1')
const WIRE_VERSION = 1
const PREAMBLE_BYTES = MAGIC.length + 4

/** Kind of frame, a byte of zero, bytes of the head (16 bits) and of the body (32 bits), big-endian. */
const LENGTHS_BYTES = 8
const HEAD_BYTES_MAX = 4096
/** Bytes of one body, at most: a longer chunk is cut. */
export const WIRE_BODY_BYTES = 1024 * 1024

const FRAMES = { chunk: 1, sealed: 2, counted: 3, end: 4 } as const

/** What is carried. */
export type WireItem = Chunk | Sealed | Counted

/** What a stream of frames begins with. */
export function encodePreamble(): Buffer {
  const bytes = Buffer.alloc(PREAMBLE_BYTES)
  MAGIC.copy(bytes)
  bytes.writeUInt32BE(WIRE_VERSION, MAGIC.length)
  return bytes
}

/** Without it, a stream has been cut off. */
export function encodeEnd(): Buffer {
  return encodeHead('end', undefined, 0)
}

/** A chunk as frames: heads, and the bytes as they are. */
export function* encodeChunk({ name, kind, bytes }: Chunk): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += WIRE_BODY_BYTES) {
    const body = bytes.subarray(at, at + WIRE_BODY_BYTES)
    yield encodeHead('chunk', { name, kind }, body.length)
    yield body
  }
}

export function encodeSealed({ name, kind, sizeBytes, sha256 }: Sealed): Buffer {
  return encodeHead('sealed', { name, kind, sizeBytes, sha256 }, 0)
}

export function encodeCounted({ totals }: Counted): Buffer {
  return encodeHead('counted', Object.fromEntries(TOTALS.map(name => [name, totals[name]])), 0)
}

function encodeHead(kind: keyof typeof FRAMES, value: object | undefined, bodyBytes: number): Buffer {
  const head = Buffer.from(value === undefined ? '' : JSON.stringify(value), 'utf8')
  const bytes = Buffer.alloc(LENGTHS_BYTES + head.length)
  bytes.writeUInt8(FRAMES[kind], 0)
  bytes.writeUInt16BE(head.length, 2)
  bytes.writeUInt32BE(bodyBytes, 4)
  head.copy(bytes, LENGTHS_BYTES)
  return bytes
}

/**
 * Reads what `encodePreamble`, the frames and `encodeEnd` make, to the end of the source. Memory: one frame.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED if the source ends early, IBT_ARCHIVE_CORRUPT for anything else that no writer
 * makes, IBT_STATE_VERSION for a later version, IBT_NAME_INVALID for a name that is not an artifact's.
 */
export async function* decodeWire(source: Source<Uint8Array>): AsyncGenerator<WireItem, void, undefined> {
  const reader = new ByteReader(source)
  try {
    checkPreamble(await take(reader, PREAMBLE_BYTES))
    for (;;) {
      const lengths = asBuffer(await take(reader, LENGTHS_BYTES))
      const kind = lengths.readUInt8(0)
      const headBytes = lengths.readUInt16BE(2)
      const bodyBytes = lengths.readUInt32BE(4)
      if (lengths.readUInt8(1) !== 0 || headBytes > HEAD_BYTES_MAX) throw corrupt('a frame has impossible lengths')
      if (bodyBytes > (kind === FRAMES.chunk ? WIRE_BODY_BYTES : 0)) throw corrupt('a frame is too long')
      if (kind === FRAMES.end) {
        if (headBytes > 0 || !(await reader.isAtEnd())) throw corrupt('something follows its end')
        return
      }
      const head = decodeHead(await take(reader, headBytes))
      if (kind === FRAMES.chunk) {
        if (bodyBytes === 0) throw corrupt('a chunk is empty')
        yield { item: 'chunk', ...artifactOf(head), bytes: await take(reader, bodyBytes) }
      } else if (kind === FRAMES.sealed) {
        yield { item: 'sealed', ...artifactOf(head), sizeBytes: count(head, 'sizeBytes'), sha256: digest(head) }
      } else if (kind === FRAMES.counted) yield { item: 'counted', totals: totalsOf(head) }
      else throw corrupt(`a frame has the unknown kind ${kind}`)
    }
  } finally {
    await reader.close()
  }
}

async function take(reader: ByteReader, length: number): Promise<Uint8Array> {
  const bytes = await reader.take(length)
  if (bytes.length === length) return bytes
  throw new BackupError('IBT_ARCHIVE_TRUNCATED', 'The stream of a backup ends before its last frame: it was cut off')
}

function checkPreamble(bytes: Uint8Array): void {
  const preamble = asBuffer(bytes)
  if (!preamble.subarray(0, MAGIC.length).equals(MAGIC)) throw corrupt(`its first bytes are not ${MAGIC}`)
  const version = preamble.readUInt32BE(MAGIC.length)
  if (version === WIRE_VERSION) return
  const message = `The stream of a backup has version ${version} of the wire format; this version reads ${WIRE_VERSION}`
  throw new BackupError('IBT_STATE_VERSION', message)
}

type Head = Readonly<Record<string, unknown>>

function decodeHead(bytes: Uint8Array): Head {
  try {
    const value: unknown = JSON.parse(asBuffer(bytes).toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Head
  } catch {
    // It is as wrong as a head of another type.
  }
  throw corrupt('the head of a frame is not a JSON object')
}

function artifactOf({ name, kind }: Head): { readonly name: string; readonly kind: Kind } {
  const parsed = typeof name === 'string' ? parseArtifactName(name) : undefined
  if (parsed !== undefined && parsed.kind === kind) return { name: name as string, kind: parsed.kind }
  throw new BackupError('IBT_NAME_INVALID', `${JSON.stringify(name)} is not the name of an artifact of its kind`)
}

function count(head: Head, name: string): number {
  const value = head[name]
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw corrupt(`${name} is not a whole number`)
}

function digest({ sha256 }: Head): string {
  if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256)) return sha256
  throw corrupt('a SHA-256 is not 64 hexadecimal digits')
}

const TOTALS = [
  ...(['entries', 'files', 'sizeBytes', 'created', 'updated', 'touched', 'deleted', 'unchanged'] as const),
  ...(['unreadable', 'carried', 'dirty'] as const)
] satisfies readonly (keyof Totals)[]

function totalsOf(head: Head): Totals {
  return Object.fromEntries(TOTALS.map(name => [name, count(head, name)])) as unknown as Totals
}

function corrupt(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `The stream of a backup is damaged: ${what}`)
}
