import { BackupError } from '../errors.js'
import { asBuffer } from '../format/byte-reader.js'
import type { Codec } from '../types.js'

const LENGTH_BYTES = 4
/** Bytes that are packed into one message, at most. */
export const PACKED_BYTES = 512 * 1024

/** Compresses bytes to the body of a message: their length, and one frame. The body shares no memory with them. */
export async function encodePacked(codec: Codec, bytes: Uint8Array): Promise<Buffer> {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, await codec.encode(bytes)])
}

/** @throws BackupError IBT_ARCHIVE_CORRUPT */
export async function decodePacked(codec: Codec, body: Uint8Array): Promise<Uint8Array> {
  const sizeBytes = body.length < LENGTH_BYTES ? 0 : asBuffer(body).readUInt32BE(0)
  if (sizeBytes > 0 && sizeBytes <= PACKED_BYTES) return codec.decode(body.subarray(LENGTH_BYTES), sizeBytes)
  throw new BackupError('IBT_ARCHIVE_CORRUPT', 'What the sender says is damaged: a message has an impossible length')
}

/** Bytes in parts that fit into a message. */
export function* partsOf(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += PACKED_BYTES) yield bytes.subarray(at, at + PACKED_BYTES)
}
