import type { Codec, Source } from '../types.js'

/**
 * Decodes a stored artifact on a pipe, from its first byte to its last.
 *
 * Consumes stored bytes in any chunks, yields decoded ones. Order kept. Reads nothing ahead, and reads to the end of its
 * source: a seek table that is missing, or does not agree with the frames, is an error.
 * Memory: one frame, stored and decoded. Output is bounded before a frame is decoded.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED (never for the codec `none`, which has no end to be seen)
 */
export function decodeFrames(
  source: Source<Uint8Array>,
  codec: Codec,
  name: string
): AsyncGenerator<Uint8Array, void, undefined> {
  return codec.decodeAll(source, name)
}
