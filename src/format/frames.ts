import { BackupError } from '../errors.js'
import type { Source } from '../types.js'
import { asBuffer, ByteReader } from './byte-reader.js'

/** Kind of frame, a byte of zero, bytes of the head (16 bits) and of the body (32 bits), big-endian. */
const LENGTHS_BYTES = 8
const HEAD_BYTES_MAX = 4096
/** Bytes of one body, at most. */
export const FRAME_BODY_BYTES = 1024 * 1024

/** The head of a frame: a JSON object. */
export type FrameHead = Readonly<Record<string, unknown>>

/** One frame of a stream. */
export interface Frame {
  readonly kind: number
  /** Bytes of JSON. */
  readonly head: Uint8Array
  readonly body: Uint8Array
}

/** What a stream of frames begins with: its name, and the version of its format. */
export interface Preamble {
  readonly magic: string
  readonly version: number
  /** For people: `the stream of a backup`. */
  readonly what: string
}

/** @see FrameReader */
export function encodePreamble({ magic, version }: Preamble): Buffer {
  const bytes = Buffer.alloc(magic.length + 4)
  bytes.write(magic, 'latin1')
  bytes.writeUInt32BE(version, magic.length)
  return bytes
}

/** A frame up to its body, which follows it. */
export function encodeFrame(kind: number, head: FrameHead | undefined, bodyBytes: number): Buffer {
  const json = Buffer.from(head === undefined ? '' : JSON.stringify(head), 'utf8')
  const bytes = Buffer.alloc(LENGTHS_BYTES + json.length)
  bytes.writeUInt8(kind, 0)
  bytes.writeUInt16BE(json.length, 2)
  bytes.writeUInt32BE(bodyBytes, 4)
  json.copy(bytes, LENGTHS_BYTES)
  return bytes
}

/**
 * Reads a stream of frames. Memory: one frame.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT for what no writer makes, IBT_STATE_VERSION for another version.
 */
export class FrameReader {
  readonly #reader: ByteReader

  constructor(
    source: Source<Uint8Array>,
    readonly preamble: Preamble
  ) {
    this.#reader = new ByteReader(source)
  }

  /** Reads what the stream begins with. Resolves to false if the stream ends before. */
  async begin(): Promise<boolean> {
    const { magic, version: own, what } = this.preamble
    const bytes = asBuffer(await this.#reader.take(magic.length + 4))
    const found = bytes.toString('latin1', 0, magic.length)
    if (!magic.startsWith(found)) throw this.corrupt(`its first bytes are not ${magic}`)
    if (bytes.length < magic.length + 4) return false
    const version = bytes.readUInt32BE(magic.length)
    if (version === own) return true
    throw new BackupError(
      'IBT_STATE_VERSION',
      `${what} has version ${version} of the format; this version reads ${own}`
    )
  }

  /** The next frame; undefined if the stream ends before the frame does. */
  async next(): Promise<Frame | undefined> {
    const lengths = asBuffer(await this.#reader.take(LENGTHS_BYTES))
    if (lengths.length < LENGTHS_BYTES) return undefined
    const headBytes = lengths.readUInt16BE(2)
    const bodyBytes = lengths.readUInt32BE(4)
    if (lengths.readUInt8(1) !== 0 || headBytes > HEAD_BYTES_MAX) throw this.corrupt('a frame has impossible lengths')
    if (bodyBytes > FRAME_BODY_BYTES) throw this.corrupt('a frame is too long')
    const head = await this.#reader.take(headBytes)
    const body = await this.#reader.take(bodyBytes)
    if (head.length < headBytes || body.length < bodyBytes) return undefined
    return { kind: lengths.readUInt8(0), head, body }
  }

  /** Whether no byte is left. */
  isAtEnd(): Promise<boolean> {
    return this.#reader.isAtEnd()
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  corrupt(what: string): BackupError {
    return new BackupError('IBT_ARCHIVE_CORRUPT', `${this.preamble.what} is damaged: ${what}`)
  }
}
