import { promisify } from 'node:util'
import { gunzip, gzip as gzipBytes } from 'node:zlib'
import type { Codec } from '../types.js'
import { decodeScanned, type FrameDecoder } from './frame-scan.js'
import { encodeGzipTable, frameMember, readGzipTable, scanGzipMember } from './gzip-member.js'
import { checkFrame, checkLevel, corruptFrame } from './limits.js'

/** Options of `gzip`. */
export interface GzipOptions {
  /** 1 to 9. Default: `GZIP_LEVEL`. */
  readonly level?: number | undefined
}

export const GZIP_LEVEL = 6

const compress = promisify<Uint8Array, { level: number }, Buffer>(gzipBytes)
const decompress = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(gunzip)

/**
 * gzip members, each by itself and with its stored size in an extra field, and empty members with the seek table behind
 * them. `gunzip` and tar read them. CRC-32 of each frame is checked.
 * Source: RFC 1952; the stored size in front of the bytes is BGZF's idea (SAM/BAM format, 4.1).
 *
 * @throws RangeError at the call for a level out of range.
 */
export function gzip(options: GzipOptions = {}): Codec {
  const { level = GZIP_LEVEL } = options
  checkLevel('gzip', level, 1, 9)
  return {
    name: 'gzip',
    suffix: '.gz',
    copies: true,
    async encode(frame) {
      checkFrame('gzip', frame)
      return frameMember(await compress(frame, { level }))
    },
    decode: decodeFrame,
    finish: encodeGzipTable,
    index: readGzipTable,
    decodeAll: (source, name) => decodeScanned(decoder, source, name)
  }
}

const decoder: FrameDecoder = { scan: scanGzipMember, decodeFrame }

async function decodeFrame(stored: Uint8Array, sizeBytes: number): Promise<Uint8Array> {
  let frame: Uint8Array
  try {
    frame = await decompress(stored, { maxOutputLength: Math.max(1, sizeBytes) })
  } catch (error) {
    throw corruptFrame('gzip refuses it', error)
  }
  if (frame.length !== sizeBytes) throw corruptFrame(`${frame.length} bytes, not ${sizeBytes}`)
  return frame
}
