import { BackupError } from '../errors.js'
import type { ArtifactEncoder, Codec, FrameSize } from '../types.js'
import { openArchive } from './archive-reader.js'
import { checkCodec, knownCodecs } from './known-codecs.js'

/** What is encoded to see whether it can be read back. */
const SAMPLE = Buffer.from('A backup is worth what can be read of it.\n'.repeat(4))

/**
 * Refuses a codec whose artifacts readers could not decode: two small frames are encoded, and decoded by the codec that
 * readers take for its suffix, both as a stream and by the index.
 *
 * @throws TypeError if it is not a codec; BackupError IBT_CODEC_UNKNOWN if its artifacts cannot be read back
 */
export async function checkReadable(codec: Codec, own: readonly Codec[] = []): Promise<void> {
  checkCodec(codec)
  const name = `an artifact that ends in '${codec.suffix}'`
  const suffixes = codec.suffix.split('.').slice(1)
  // A reader without the caller's codecs takes our own codec for our own suffix.
  const readers = [knownCodecs()(suffixes) ?? knownCodecs(withCodec(own, codec))(suffixes)!]
  try {
    const stored = await encodeSample(codec)
    for (const reader of readers) await checkDecodes(reader, stored, name)
  } catch (cause) {
    const message = `Codec ${codec.name} writes ${name}, which could not be read back`
    throw new BackupError('IBT_CODEC_UNKNOWN', message, { path: codec.suffix, cause })
  }
}

/** The codecs that a run reads with: the caller's, and the one that it writes with. */
export function withCodec(own: readonly Codec[], codec: Codec): readonly Codec[] {
  return own.some(({ suffix }) => suffix === codec.suffix) ? own : [...own, codec]
}

async function encodeSample(codec: Codec): Promise<Uint8Array> {
  const encoder: ArtifactEncoder = codec.encoder?.() ?? codec
  const stored: Uint8Array[] = []
  const frames: FrameSize[] = []
  for (const frame of [SAMPLE, SAMPLE.subarray(1)]) {
    const bytes = await encoder.encode(Uint8Array.from(frame))
    stored.push(bytes)
    frames.push({ storedBytes: bytes.length, sizeBytes: frame.length })
  }
  return Buffer.concat([...stored, await encoder.finish(frames)])
}

async function checkDecodes(reader: Codec, stored: Uint8Array, name: string): Promise<void> {
  const expected = Buffer.concat([SAMPLE, SAMPLE.subarray(1)])
  const chunks: Uint8Array[] = []
  for await (const chunk of reader.decodeAll([Uint8Array.from(stored)], name)) chunks.push(chunk)
  const archive = await openArchive(async (start, end) => stored.slice(start, end), stored.length, reader, name)
  const read = archive.sizeBytes === expected.length ? await archive.read(0, expected.length) : new Uint8Array(0)
  if (!expected.equals(Buffer.concat(chunks)) || !expected.equals(read)) throw new Error('Other bytes came back')
}
