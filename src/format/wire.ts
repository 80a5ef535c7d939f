import { BackupError } from '../errors.js'
import type { Chunk, Counted, Kind, Sealed, Source, Totals } from '../types.js'
import { asBuffer } from './byte-reader.js'
import { encodeFrame, encodePreamble, FRAME_BODY_BYTES, type Frame, FrameReader } from './frames.js'
import { parseArtifactName } from './names.js'

const PREAMBLE = { magic: 'ibt-wire', version: 1, what: 'The stream of a backup' }

const FRAMES = { chunk: 1, sealed: 2, counted: 3, end: 4 } as const

/** What is carried. */
export type WireItem = Chunk | Sealed | Counted

/** What a stream of frames begins with. */
export function encodeStart(): Buffer {
  return encodePreamble(PREAMBLE)
}

/** Without it, a stream has been cut off. */
export function encodeEnd(): Buffer {
  return encodeFrame(FRAMES.end, undefined, 0)
}

/** A chunk as frames: heads, and the bytes as they are. */
export function* encodeChunk({ name, kind, bytes }: Chunk): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += FRAME_BODY_BYTES) {
    const body = bytes.subarray(at, at + FRAME_BODY_BYTES)
    yield encodeFrame(FRAMES.chunk, { name, kind }, body.length)
    yield body
  }
}

export function encodeSealed({ name, kind, sizeBytes, sha256 }: Sealed): Buffer {
  return encodeFrame(FRAMES.sealed, { name, kind, sizeBytes, sha256 }, 0)
}

export function encodeCounted({ totals }: Counted): Buffer {
  return encodeFrame(FRAMES.counted, Object.fromEntries(TOTALS.map(name => [name, totals[name]])), 0)
}

/**
 * Reads what `encodeStart`, the frames and `encodeEnd` make, to the end of the source. Memory: one frame.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED if the source ends early, IBT_ARCHIVE_CORRUPT for anything else that no writer
 * makes, IBT_STATE_VERSION for a later version, IBT_NAME_INVALID for a name that is not an artifact's.
 */
export async function* decodeWire(source: Source<Uint8Array>): AsyncGenerator<WireItem, void, undefined> {
  const reader = new FrameReader(source, PREAMBLE)
  try {
    if (!(await reader.begin())) throw cutOff()
    for (;;) {
      const frame = await reader.next()
      if (frame === undefined) throw cutOff()
      const { kind, body } = frame
      if (kind !== FRAMES.chunk && body.length > 0) throw corrupt('a frame is too long')
      if (kind === FRAMES.end) {
        if (frame.head.length > 0 || !(await reader.isAtEnd())) throw corrupt('something follows its end')
        return
      }
      yield decodeItem(frame, decodeHead(frame.head))
    }
  } finally {
    await reader.close()
  }
}

function decodeItem({ kind, body }: Frame, head: Head): WireItem {
  if (kind === FRAMES.chunk) {
    if (body.length === 0) throw corrupt('a chunk is empty')
    return { item: 'chunk', ...artifactOf(head), bytes: body }
  }
  if (kind === FRAMES.sealed) {
    return { item: 'sealed', ...artifactOf(head), sizeBytes: count(head, 'sizeBytes'), sha256: digest(head) }
  }
  if (kind === FRAMES.counted) return { item: 'counted', totals: totalsOf(head) }
  throw corrupt(`a frame has the unknown kind ${kind}`)
}

function cutOff(): BackupError {
  return new BackupError('IBT_ARCHIVE_TRUNCATED', 'The stream of a backup ends before its last frame: it was cut off')
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
