import { BackupError, isBackupError } from '../errors.js'
import { asBuffer } from '../format/byte-reader.js'
import type { ArtifactEncoder, Cipher, Codec, FrameSize, Reading } from '../types.js'
import { openArchive } from './archive-reader.js'
import { checkCipher, isCipher } from './cipher-codec.js'
import { checkCodec, knownCodecs } from './known-codecs.js'

/** What is encoded to see whether it can be read back. */
const SAMPLE = Buffer.from('A backup is worth what can be read of it.\n'.repeat(4))

/**
 * Refuses a codec whose artifacts readers could not decode: two small frames are encoded, and decoded by the codec that
 * readers take for its suffix, both as a stream and by the index. With a cipher they are encrypted, too; what no reader
 * here has the key of is checked as far as that goes.
 *
 * @throws TypeError if it is not a codec, or not a cipher; BackupError IBT_CODEC_UNKNOWN if its artifacts cannot be read
 * back, and what a cipher says of its keys
 */
export async function checkReadable(codec: Codec, own: readonly Reading[] = [], cipher?: Cipher): Promise<void> {
  checkCodec(codec)
  if (cipher !== undefined) checkCipher(cipher)
  const suffix = codec.suffix + (cipher?.suffix ?? '')
  const name = cipher === undefined ? `what ends in '${suffix}'` : 'what this run encrypts and has to read back'
  const suffixes = suffix.split('.').slice(1)
  try {
    const encoded = await encodeSample(codec)
    const stored = cipher === undefined ? encoded : await sealSample(cipher, encoded)
    const reading = readingOf(own, cipher)
    if (reading !== undefined && (reading.opens ?? 'all') !== 'all') await reading.checkSealed?.(stored, encoded.length)
    else {
      // A reader without the caller's codecs takes our own codec for our own suffix.
      const readings = withCodec(withCodec(own, codec), cipher)
      await checkDecodes(knownCodecs()(suffixes) ?? knownCodecs(readings)(suffixes)!, stored, name)
    }
  } catch (cause) {
    // What a cipher says of its recipients and keys says it all.
    if (cipher !== undefined && isPlainly(cause)) throw cause
    const message = `${describe(codec, cipher)} writes artifacts that end in '${suffix}', which could not be read back`
    throw new BackupError('IBT_CODEC_UNKNOWN', message, { path: suffix, cause })
  }
}

function describe({ name }: Codec, cipher: Cipher | undefined): string {
  return cipher === undefined ? `Codec ${name}` : `Codec ${name} with cipher ${cipher.name}`
}

function isPlainly(error: unknown): boolean {
  if (!isBackupError(error)) return error instanceof TypeError || error instanceof RangeError
  return ['IBT_KEY_MISSING', 'IBT_KEY_WRONG', 'IBT_PEER_MISSING', 'IBT_WRITE_FAILED'].includes(error.code)
}

/** What reads the artifacts of a cipher: the caller may have given one with more keys. */
function readingOf(own: readonly Reading[], cipher: Cipher | undefined): Cipher | undefined {
  if (cipher === undefined) return undefined
  const given = own.find(({ suffix }) => suffix === cipher.suffix)
  return given !== undefined && isCipher(given) ? given : cipher
}

/** The codecs that a run reads with: the caller's, and what it writes with. */
export function withCodec(own: readonly Reading[], written: Reading | undefined): readonly Reading[] {
  return written === undefined || own.some(({ suffix }) => suffix === written.suffix) ? own : [...own, written]
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

async function sealSample(cipher: Cipher, encoded: Uint8Array): Promise<Uint8Array> {
  const sealed: Uint8Array[] = []
  for await (const bytes of cipher.seal([Uint8Array.from(encoded)], {})) sealed.push(bytes)
  const stored = Buffer.concat(sealed)
  if (stored.includes(asBuffer(encoded))) throw new Error('What it encrypts stays as it is')
  return stored
}

async function checkDecodes(reader: Codec, stored: Uint8Array, name: string): Promise<void> {
  const expected = Buffer.concat([SAMPLE, SAMPLE.subarray(1)])
  const chunks: Uint8Array[] = []
  for await (const chunk of reader.decodeAll([Uint8Array.from(stored)], name)) chunks.push(chunk)
  const archive = await openArchive(async (start, end) => stored.slice(start, end), stored.length, reader, name)
  const read = archive.sizeBytes === expected.length ? await archive.read(0, expected.length) : new Uint8Array(0)
  if (!expected.equals(Buffer.concat(chunks)) || !expected.equals(read)) throw new Error('Other bytes came back')
}
