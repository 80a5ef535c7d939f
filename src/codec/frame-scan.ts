import { type BackupError, isBackupError } from '../errors.js'
import { ByteReader } from '../format/byte-reader.js'
import type { Source } from '../types.js'
import { corrupt, truncated } from './limits.js'

/** Sums over frames: those that were read, or those that a table claims. */
export interface FrameTotals {
  readonly frames: number
  readonly storedBytes: number
  readonly sizeBytes: number
}

/** What one scan found. */
export type Scanned =
  /** A frame: its stored bytes, what it decodes to (exactly, or at most), and its content if that is stored as it is. */
  | {
      readonly type: 'frame'
      readonly parts: readonly Uint8Array[]
      readonly maxBytes: number
      readonly content?: readonly Uint8Array[] | undefined
    }
  /** Bytes to be skipped. */
  | { readonly type: 'skipped'; readonly storedBytes: number }
  /** The seek table or a piece of it; `isLast` if nothing may follow. */
  | { readonly type: 'table'; readonly totals: FrameTotals; readonly isLast: boolean }

/**
 * Finds the end of the next frame without decoding it: yields how many bytes it wants and is given them.
 * Does no I/O, so that the same code scans a stream and one frame in memory.
 */
export type Scan = Generator<number, Scanned, Uint8Array>

export interface FrameDecoder {
  /** `read` are the sums of all frames that came before. @throws BackupError IBT_ARCHIVE_CORRUPT */
  scan(name: string, read: FrameTotals): Scan
  /** Decodes one frame to what the scan found: exactly or at most `maxBytes`. */
  decodeFrame(stored: Uint8Array, maxBytes: number): Promise<Uint8Array>
}

export const NO_FRAMES: FrameTotals = { frames: 0, storedBytes: 0, sizeBytes: 0 }

/** Scans bytes in memory. Undefined if they are not exactly one frame. @throws what the scan throws */
export function scanBytes(scan: Scan, bytes: Uint8Array): Scanned | undefined {
  let at = 0
  for (let step = scan.next(); ; ) {
    if (step.done === true) return at === bytes.length ? step.value : undefined
    if (step.value > bytes.length - at) return undefined
    step = scan.next(bytes.subarray(at, (at += step.value)))
  }
}

/**
 * Decodes an artifact on a pipe: finds the frames by their own headers, and bounds each before it is decoded.
 * The table at the end must agree with what was read: an artifact that was cut between two frames looks whole to other tools.
 * Reads nothing ahead. Memory: one frame, stored and decoded. Of other tools (`isForeign`), there need be no table.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED
 */
export async function* decodeScanned(
  decoder: FrameDecoder,
  source: Source<Uint8Array>,
  name: string,
  { isForeign = false }: { readonly isForeign?: boolean } = {}
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(source)
  try {
    let read = NO_FRAMES
    let table = NO_FRAMES
    let hasTable = false
    for (let isLast = false; !isLast; ) {
      if (await reader.isAtEnd()) {
        if (isForeign && !hasTable && read.frames > 0) return
        throw truncated(name, 'it ends without its seek table')
      }
      const scanned = await scanNext(decoder.scan(name, read), reader, name, read.frames)
      if (scanned.type === 'table') {
        hasTable = true
        isLast = scanned.isLast
        table = sum(table, scanned.totals)
      } else if (hasTable) throw corrupt(name, 'a frame stands behind its seek table')
      else if (scanned.type === 'skipped')
        read = sum(read, { frames: 1, storedBytes: scanned.storedBytes, sizeBytes: 0 })
      else {
        const stored = scanned.parts.length === 1 ? scanned.parts[0]! : Buffer.concat(scanned.parts)
        const frame = await decodeNamed(decoder.decodeFrame(stored, scanned.maxBytes), name, read.frames)
        read = sum(read, { frames: 1, storedBytes: stored.length, sizeBytes: frame.length })
        if (frame.length > 0) yield frame
      }
    }
    if (!isEqual(read, table)) throw corrupt(name, 'its seek table does not agree with its frames')
    if (!(await reader.isAtEnd())) throw corrupt(name, 'bytes stand behind its seek table')
  } finally {
    await reader.close()
  }
}

async function scanNext(scan: Scan, reader: ByteReader, name: string, index: number): Promise<Scanned> {
  for (let step = advance(scan, undefined, name, index); ; ) {
    if (step.done === true) return step.value
    const bytes = await reader.take(step.value)
    if (bytes.length < step.value) throw truncated(name, 'it ends within a frame or its seek table')
    step = advance(scan, bytes, name, index)
  }
}

function advance(
  scan: Scan,
  bytes: Uint8Array | undefined,
  name: string,
  index: number
): IteratorResult<number, Scanned> {
  try {
    return bytes === undefined ? scan.next() : scan.next(bytes)
  } catch (error) {
    throw inFrame(error, name, index)
  }
}

/** Says in which frame of which artifact a scan or a decoder failed. */
export function inFrame(error: unknown, name: string, index: number): BackupError {
  // A codec that is missing is not damage.
  if (isBackupError(error) && (error.path !== undefined || error.code === 'IBT_NATIVE')) return error as BackupError
  const cause = isBackupError(error) && error.cause !== undefined ? error.cause : error
  return corrupt(name, `frame ${index}: ${error instanceof Error ? error.message : error}`, cause)
}

export async function decodeNamed(decoded: Promise<Uint8Array>, name: string, index: number): Promise<Uint8Array> {
  try {
    return await decoded
  } catch (error) {
    throw inFrame(error, name, index)
  }
}

function sum(a: FrameTotals, b: FrameTotals): FrameTotals {
  return {
    frames: a.frames + b.frames,
    storedBytes: a.storedBytes + b.storedBytes,
    sizeBytes: a.sizeBytes + b.sizeBytes
  }
}

function isEqual(a: FrameTotals, b: FrameTotals): boolean {
  return a.frames === b.frames && a.storedBytes === b.storedBytes && a.sizeBytes === b.sizeBytes
}
