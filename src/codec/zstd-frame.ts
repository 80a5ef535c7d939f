import { readBuffer } from '../flow/memory.js'
import type { Scan } from './frame-scan.js'
import { corruptFrame, FRAME_DECODED_MAX, FRAME_STORED_MAX } from './limits.js'

export const ZSTD_MAGIC = 0xfd2fb528
const BLOCK_MAX = 128 * 1024
/** Blocks of one frame, at most: each is an object while it is scanned. */
const BLOCKS_MAX = 8192
const WINDOW_MAX = FRAME_DECODED_MAX
const BLOCK_RAW = 0
const BLOCK_RLE = 1
const BLOCK_COMPRESSED = 2
const BLOCK_RESERVED = 3

interface FrameHeader {
  readonly windowBytes: number
  readonly contentBytes: number | undefined
  readonly hasChecksum: boolean
}

/**
 * Scans one zstd frame behind its magic number, which `magic` holds.
 * A decoder is bounded before it runs: 20 kB of one frame can decode to 400 MB.
 *
 * Source: RFC 8878, 3.1.1.
 * @throws BackupError IBT_ARCHIVE_CORRUPT
 */
export function* scanZstdFrame(magic: Uint8Array): Scan {
  const parts: Uint8Array[] = [magic]
  let storedBytes = magic.length
  function* take(length: number): Generator<number, Uint8Array, Uint8Array> {
    storedBytes += length
    if (storedBytes > FRAME_STORED_MAX) throw corruptFrame(`more than ${FRAME_STORED_MAX} stored bytes`)
    const bytes = yield length
    parts.push(bytes)
    return bytes
  }
  const header = yield* scanHeader(take)
  const blockMax = Math.min(header.windowBytes, BLOCK_MAX)
  let maxBytes = 0
  let isExact = true
  let content: Uint8Array[] | undefined = header.hasChecksum ? undefined : []
  for (let isLast = false, blocks = 0; !isLast; blocks++) {
    if (blocks === BLOCKS_MAX) throw corruptFrame(`more than ${BLOCKS_MAX} blocks`)
    const block = yield* take(3)
    const bits = block[0]! | (block[1]! << 8) | (block[2]! << 16)
    const type = (bits >>> 1) & 3
    const size = bits >>> 3
    if (type === BLOCK_RESERVED || size > blockMax) throw corruptFrame(`a block of type ${type} and ${size} bytes`)
    isLast = (bits & 1) === 1
    if (type === BLOCK_COMPRESSED) isExact = false
    maxBytes += type === BLOCK_COMPRESSED ? blockMax : size
    if (maxBytes > FRAME_DECODED_MAX) throw corruptFrame(`it may decode to more than ${FRAME_DECODED_MAX} bytes`)
    const bodyBytes = type === BLOCK_RLE ? 1 : size
    const body = bodyBytes > 0 ? yield* take(bodyBytes) : undefined
    if (type !== BLOCK_RAW) content = undefined
    else if (body !== undefined) content?.push(body)
  }
  if (header.hasChecksum) yield* take(4)
  return { type: 'frame', parts, maxBytes: bound(header.contentBytes, maxBytes, isExact), content }
}

/** The content size that a header states must be possible: a decoder may trust it and allocate it. */
function bound(contentBytes: number | undefined, maxBytes: number, isExact: boolean): number {
  if (contentBytes === undefined) return maxBytes
  if (contentBytes > maxBytes || (isExact && contentBytes !== maxBytes)) {
    throw corruptFrame(`its header says ${contentBytes} bytes, its blocks hold ${maxBytes}`)
  }
  return contentBytes
}

function* scanHeader(
  take: (length: number) => Generator<number, Uint8Array, Uint8Array>
): Generator<number, FrameHeader, Uint8Array> {
  const descriptor = (yield* take(1))[0]!
  if ((descriptor & 0x08) !== 0) throw corruptFrame('a reserved bit of its header is set')
  if ((descriptor & 0x03) !== 0) throw corruptFrame('it wants a dictionary')
  const isSingleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >>> 6
  const window = isSingleSegment ? undefined : (yield* take(1))[0]!
  const sizeLength = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag
  const contentBytes = sizeLength === 0 ? undefined : decodeContentSize(yield* take(sizeLength))
  const windowBytes = window === undefined ? contentBytes! : decodeWindow(window)
  if (windowBytes > WINDOW_MAX) throw corruptFrame(`it wants a window of ${windowBytes} bytes`)
  return { windowBytes, contentBytes, hasChecksum: (descriptor & 0x04) !== 0 }
}

function decodeWindow(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3))
  return base + (base / 8) * (descriptor & 7)
}

function decodeContentSize(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length === 1) return view.getUint8(0)
  if (bytes.length === 2) return view.getUint16(0, true) + 256
  if (bytes.length === 4) return view.getUint32(0, true)
  return Number(view.getBigUint64(0, true))
}

/**
 * Writes a frame whose blocks are stored as they are.
 * For what no encoder makes shorter, or cuts into so many blocks that `scanZstdFrame` could not bound it.
 */
export function storeZstdFrame(frame: Uint8Array): Uint8Array {
  const blocks = Math.max(1, Math.ceil(frame.length / BLOCK_MAX))
  const stored = readBuffer(9 + 3 * blocks + frame.length)
  stored.writeUInt32LE(ZSTD_MAGIC, 0)
  // Single segment, content size in four bytes, no checksum.
  stored[4] = 0xa0
  stored.writeUInt32LE(frame.length, 5)
  let at = 9
  for (let i = 0; i < blocks; i++) {
    const block = frame.subarray(i * BLOCK_MAX, (i + 1) * BLOCK_MAX)
    stored.writeUIntLE((block.length << 3) | (i === blocks - 1 ? 1 : 0), at, 3)
    stored.set(block, at + 3)
    at += 3 + block.length
  }
  return stored
}
