import { readBuffer } from '../flow/memory.js'
import { asBuffer } from '../format/byte-reader.js'
import type { Codec, Source } from '../types.js'
import { decodeScanned, type FrameDecoder, type Scan, scanBytes } from './frame-scan.js'
import { isIncompressible } from './incompressible.js'
import { checkFrame, checkLevel, corruptFrame } from './limits.js'
import { scanZstdFrame, storeZstdFrame, ZSTD_MAGIC } from './zstd-frame.js'
import { zstdLibrary } from './zstd-library.js'
import { encodeZstdTable, readZstdTable, scanZstdTable, TABLE_MAGIC } from './zstd-table.js'

/** Options of `zstd`. */
export interface ZstdOptions {
  /** 1 to 19; higher ones want windows that readers refuse. Default: `ZSTD_LEVEL`. */
  readonly level?: number | undefined
}

export const ZSTD_LEVEL = 3
const SKIPPABLE_MAGIC = 0x184d2a50
const SKIP_BYTES = 64 * 1024

/**
 * zstd frames, each by itself, and zstd's published seek table behind them. `zstd -d` and tar read them.
 * A frame that looks random is stored as it is: media, archives and ciphertexts cost no time and no memory.
 * Uses `@mongodb-js/zstd`, or Node's own zstd (22.15) where that does not load. Frames carry no checksum: the artifact's digest does.
 * Source: RFC 8878; zstd's seekable format 0.1.0.
 *
 * @throws RangeError at the call for a level out of range.
 */
export function zstd(options: ZstdOptions = {}): Codec {
  const { level = ZSTD_LEVEL } = options
  checkLevel('zstd', level, 1, 19)
  return {
    name: 'zstd',
    suffix: '.zst',
    copies: true,
    async encode(frame) {
      checkFrame('zstd', frame)
      if (isIncompressible(frame)) return storeZstdFrame(frame)
      const stored = await zstdLibrary().compress(frame, level)
      return isReadable(stored) ? stored : storeZstdFrame(frame)
    },
    decode,
    finish: encodeZstdTable,
    index: readZstdTable,
    decodeAll: (source, name) => decodeScanned(decoder, source, name)
  }
}

/**
 * Decodes what any tool has compressed with zstd, whole. Memory: one frame, which may have 16 MiB.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT, also for a longer frame; IBT_ARCHIVE_TRUNCATED.
 */
export function decodeForeignZstd(
  source: Source<Uint8Array>,
  name: string
): AsyncGenerator<Uint8Array, void, undefined> {
  return decodeScanned(decoder, source, name, { isForeign: true })
}

const decoder: FrameDecoder = { scan, decodeFrame }

async function decode(stored: Uint8Array, sizeBytes: number): Promise<Uint8Array> {
  const scanned = scanBytes(scanFrame(), stored)
  if (scanned?.type !== 'frame') throw corruptFrame('these bytes are not one zstd frame')
  if (scanned.maxBytes < sizeBytes) throw corruptFrame(`at most ${scanned.maxBytes} bytes, not ${sizeBytes}`)
  // To copy what is stored as it is takes less than to ask the library for it.
  if (scanned.content !== undefined) return joined(scanned.content, scanned.maxBytes, sizeBytes)
  const frame = await decodeFrame(stored, scanned.maxBytes)
  if (frame.length !== sizeBytes) throw corruptFrame(`${frame.length} bytes, not ${sizeBytes}`)
  return frame
}

async function decodeFrame(stored: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const library = zstdLibrary()
  let frame: Uint8Array
  try {
    frame = await library.decompress(stored, maxBytes)
  } catch (error) {
    throw corruptFrame('zstd refuses it', error)
  }
  if (frame.length > maxBytes) throw corruptFrame(`${frame.length} bytes, more than ${maxBytes}`)
  return frame
}

function joined(blocks: readonly Uint8Array[], foundBytes: number, sizeBytes: number): Uint8Array {
  if (foundBytes !== sizeBytes) throw corruptFrame(`${foundBytes} bytes, not ${sizeBytes}`)
  const frame = readBuffer(sizeBytes)
  let at = 0
  for (const block of blocks) {
    frame.set(block, at)
    at += block.length
  }
  return frame
}

/** An encoder may cut a frame into more blocks than a reader can bound. */
function isReadable(stored: Uint8Array): boolean {
  try {
    return scanBytes(scanFrame(), stored)?.type === 'frame'
  } catch {
    return false
  }
}

function* scanFrame(): Scan {
  const magicBytes = yield 4
  if (asBuffer(magicBytes).readUInt32LE(0) !== ZSTD_MAGIC) throw corruptFrame('it does not begin as zstd frames do')
  return yield* scanZstdFrame(magicBytes)
}

function* scan(name: string): Scan {
  const magicBytes = yield 4
  const magic = asBuffer(magicBytes).readUInt32LE(0)
  if (magic === ZSTD_MAGIC) return yield* scanZstdFrame(magicBytes)
  if (magic === TABLE_MAGIC) return yield* scanZstdTable(name)
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) return yield* skip()
  throw corruptFrame(`it begins with 0x${magic.toString(16)}, as zstd frames do not`)
}

function* skip(): Scan {
  const bodyBytes = asBuffer(yield 4).readUInt32LE(0)
  for (let left = bodyBytes; left > 0; ) left -= (yield Math.min(left, SKIP_BYTES)).length
  return { type: 'skipped', storedBytes: 8 + bodyBytes }
}
